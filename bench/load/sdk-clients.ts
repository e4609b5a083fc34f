/**
 * Many clients of the SDK in one process, each with its own user and a subscription to its own actor's `feed` (a `log`: every event is a notification).
 *
 *  K1 A client is *live* while its newest link has an answer to `subscribe`. A *resume* is from the end of the link that was live, or the beginning of the
 *     attempt that took over, whichever was first, to the next link's answer. So the SDK's random wait before it comes back is in it.
 *  K2 A link that was live and ends though the SDK did not close it is *dropped*.
 *  K3 Offsets of a journal are dense and every one is a notification: one that comes twice is a duplicate, one that is passed over was missed.
 */
import { connect, type Client } from '../../src/client/index.ts'
import { TroupeError } from '../../src/errors.ts'
import { Samples } from '../harness/statistics.ts'
import { token } from './dialects.ts'
import { pause } from './events.ts'
import { rawTransport, type RawLink } from './raw-transport.ts'

export interface OpenClients {
  readonly urls: readonly string[]
  readonly clients: number
  /** The address all begin with; null: each with one at random, as the SDK does. */
  readonly first: number | null
  /** New clients in 10 ms. */
  readonly pace: number
}

interface Waiter {
  /** Offset that must be seen, on a link that is live. */
  readonly offset: number
  /** When the network was back; the link must be a later one. */
  readonly since: number
}

const OPEN_TIMEOUT_MS = 60_000

export class SdkClients {
  readonly size: number
  dropped = 0
  duplicates = 0
  missed = 0
  gaps = 0
  received = 0
  errors: Record<string, number> = {}
  /** Of K1, ms; the first connection is none. */
  resumes: Samples = new Samples()
  /** Time since its network came back until a cut client had the newest state of that moment. */
  replays: Samples = new Samples()
  cuts = 0
  readonly last: Float64Array
  readonly #clients: Client[] = []
  readonly #links: (RawLink | null)[]
  readonly #downAt: Float64Array
  /** When each was live for the last time anew. */
  readonly #liveAt: Float64Array
  readonly #waiting: (Waiter | null)[]

  constructor(size: number) {
    this.size = size
    this.last = new Float64Array(size)
    this.#links = Array.from({ length: size }, () => null)
    this.#waiting = Array.from({ length: size }, () => null)
    this.#downAt = new Float64Array(size).fill(NaN)
    this.#liveAt = new Float64Array(size).fill(NaN)
  }

  async open({ urls, first, pace }: OpenClients): Promise<void> {
    for (let index = 0; index < this.size; index++) {
      this.#clients.push(this.#client(index, urls, first))
      if (index % pace === pace - 1) await pause(10)
    }
    const deadline = performance.now() + OPEN_TIMEOUT_MS
    while (this.live < this.size) {
      if (performance.now() > deadline) throw new Error(`${this.live} of ${this.size} clients are live: ${JSON.stringify(this.errors)}`)
      await pause(10)
    }
    this.resumes = new Samples()
    this.dropped = 0
  }

  /** Clients with a link that has its subscription. */
  get live(): number {
    let live = 0
    for (const link of this.#links) if (link !== null) live++
    return live
  }

  /** Of each client, when it was live anew (performance.now of this process). */
  get liveAt(): Float64Array {
    return this.#liveAt
  }

  get clients(): readonly Client[] {
    return this.#clients
  }

  /** Cuts its network for so long. `newest` is asked when it is back. */
  async cut(index: number, ms: number, newest: () => number): Promise<void> {
    const link = this.#links[index]
    if (link === null || link === undefined) return
    this.cuts++
    link.cut()
    await pause(ms)
    const now = performance.now()
    this.#waiting[index] = { offset: newest(), since: now }
    link.reset()
  }

  /** Clients that were cut and are not where they should be. */
  get waiting(): number {
    return this.#waiting.reduce((sum, waiter) => sum + (waiter === null ? 0 : 1), 0)
  }

  close(): void {
    for (const client of this.#clients) client.close()
  }

  #client(index: number, urls: readonly string[], first: number | null): Client {
    const name = `u${index}`
    let chosen = first === null
    const random = {
      float: () => {
        if (chosen) return Math.random()
        chosen = true
        return (first as number) / urls.length
      },
    }
    const client = connect(urls, {
      token: () => token(name),
      device: 'bench',
      random,
      transport: rawTransport(index, {
        opening: () => undefined,
        message: (link, message) => {
          if (Number.isNaN(link.liveAt) && message.includes('"recovered":')) this.#live(index, link)
        },
        closed: (link, byClient) => {
          if (this.#links[index] !== link) return
          this.#links[index] = null
          this.#downAt[index] = performance.now()
          if (!byClient) this.dropped++
        },
      }),
    })
    client.on('gap', () => this.gaps++)
    client.on('error', (error) => this.#count(error))
    client.actor().subscribe('feed', ({ offset }) => this.#note(index, offset), { from: 'start' })
    return client
  }

  #live(index: number, link: RawLink): void {
    const now = performance.now()
    link.liveAt = now
    const before = this.#links[index]
    const from = before === null ? Math.min(link.startedAt, this.#downAt[index] as number) : link.startedAt
    this.#links[index] = link
    if (!Number.isNaN(this.#liveAt[index] as number)) {
      this.resumes.add(now - (Number.isNaN(from) ? link.startedAt : from))
    }
    this.#liveAt[index] = now
    // After the SDK has read this message: the notes that follow come later.
    this.#look(index)
  }

  #note(index: number, offset: number): void {
    const last = this.last[index] as number
    this.received++
    if (offset <= last) this.duplicates++
    else {
      this.missed += offset - last - 1
      this.last[index] = offset
    }
    this.#look(index)
  }

  #look(index: number): void {
    const waiter = this.#waiting[index]
    if (waiter === null || waiter === undefined || (this.last[index] as number) < waiter.offset) return
    const link = this.#links[index]
    if (link === null || link === undefined || link.startedAt < waiter.since) return
    this.#waiting[index] = null
    this.replays.add(performance.now() - waiter.since)
  }

  #count(error: Error): void {
    const code = error instanceof TroupeError ? error.code : error.message.slice(0, 80)
    this.errors[code] = (this.errors[code] ?? 0) + 1
  }
}
