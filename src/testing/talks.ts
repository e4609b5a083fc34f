/** What a world's clients ask: one SDK client for each (who, which node), and the record of what they were told, for the checks. */
import type { App } from '../actors/define.ts'
import { TroupeError } from '../errors.ts'
import type { Caller, HistoryCall, QueryCall, SendCall, SubscribeCall, Via } from './calls.ts'
import { ANY_NODE, newFollower, WorldClient, type Ack, type Follower } from './clients.ts'
import type { Driver } from './driver.ts'
import type { Sockets } from './sockets.ts'
import { stackOf } from './trace.ts'
import type { VirtualTime } from './virtual-time.ts'
import { tokenOf } from './watched-app.ts'

export interface TalkPorts {
  readonly app: App
  readonly time: VirtualTime
  readonly sockets: Sockets
  readonly driver: Driver
  readonly note: (text: string) => void
  /** What the test's own callback threw. */
  readonly threw: (what: string) => void
  /** Starts the world, asks, and lets time pass until there is an answer. `via`: a node that must exist. */
  readonly answered: <Answer>(what: string, limitMs: number, via: string | undefined, ask: () => Promise<Answer>) => Promise<Answer>
}

const CALL_MS = 60_000
/** Beyond the time that the SDK itself gives a call. */
const GRACE_MS = 5_000

export class Talks {
  readonly acks: Ack[] = []
  readonly followers: Follower[] = []
  readonly #ports: TalkPorts
  readonly #clients = new Map<string, WorldClient>()

  constructor(ports: TalkPorts) {
    this.#ports = ports
  }

  async send({ actor, type, data, options = {} }: SendCall): Promise<Awaited<ReturnType<Caller['send']>>> {
    const { as, via, ...more } = options
    const { timeoutMs = CALL_MS } = more
    // What is sent is what it is now, whatever becomes of the object.
    const json = JSON.stringify(data) as string | undefined
    const sent = await this.#answered(`'${type}' to ${actor}`, timeoutMs, { as, via }, (client) =>
      (client.actor(actor) as Caller).send(type, json === undefined ? undefined : JSON.parse(json), { ...more, timeoutMs }),
    )
    this.acks.push({ actor, type, json: json ?? 'null', ...sent })
    return sent
  }

  async query({ actor, name, args, options = {} }: QueryCall): Promise<unknown> {
    const { as, via, ...more } = options
    const { timeoutMs = CALL_MS } = more
    return this.#answered(`the query '${name}' to ${actor}`, timeoutMs, { as, via }, (client) =>
      (client.actor(actor) as Caller).query(name, args, { ...more, timeoutMs }),
    )
  }

  async history({ actor, options = {} }: HistoryCall): Promise<Awaited<ReturnType<Caller['history']>>> {
    const { as, via, ...more } = options
    const { timeoutMs = CALL_MS } = more
    return this.#answered(`the history of ${actor}`, timeoutMs, { as, via }, (client) =>
      (client.actor(actor) as Caller).history({ ...more, timeoutMs }),
    )
  }

  async subscribe({ actor, topic, onNote, options = {} }: SubscribeCall): Promise<() => void> {
    const { as, via, from, onGap } = options
    const follower = newFollower(nameOf(as), actor, topic, from)
    await this.#answered(`the subscription to '${topic}' of ${actor}`, CALL_MS, { as, via }, async (client) => {
      const before = client.established(actor, topic).length
      const failed = Promise.withResolvers<void>()
      failed.promise.catch(() => undefined) // it may fail later, when nobody waits for it
      const stop = (client.actor(actor) as Caller).subscribe(
        topic,
        (note) => {
          follower.newest = note
          follower.seen = Math.max(follower.seen, note.offset)
          follower.offsets.push(note.offset)
          // The SDK would keep it to itself, and with it what a test expects of a note.
          try {
            onNote(note as never)
          } catch (error) {
            this.#ports.threw(`what follows '${topic}' of ${actor} threw: ${stackOf(error)}`)
          }
        },
        {
          ...(from !== undefined && { from }),
          onGap: (gap) => {
            follower.gaps.push(gap)
            onGap?.(gap)
          },
          onError: (error) => {
            follower.error = error
            failed.reject(error)
          },
        },
      )
      const established = this.#ports.driver.until(() => client.established(actor, topic).length > before, CALL_MS)
      const stopped = (): void => {
        follower.open = false
        stop()
      }
      follower.stop = stopped
      await Promise.race([established, failed.promise])
      if (!(await established)) {
        stopped()
        throw new TroupeError('timeout', `no answer to the subscription to '${topic}' of ${actor} in ${CALL_MS} ms`)
      }
      const offset = client.established(actor, topic).at(-1) ?? 0
      follower.seen = Math.max(follower.seen, offset)
      if (follower.from < 0) follower.from = offset
      this.followers.push(follower)
    })
    return follower.stop
  }

  close(): void {
    for (const client of this.#clients.values()) client.close()
  }

  #answered<Answer>(what: string, timeoutMs: number, { as, via }: Via, ask: (client: WorldClient) => Promise<Answer>): Promise<Answer> {
    return this.#ports.answered(what, timeoutMs + GRACE_MS, via, () => ask(this.#client(as, via ?? ANY_NODE)))
  }

  #client(as: Via['as'], host: string): WorldClient {
    const token = tokenOf(this.#ports.app, as)
    const name = `${token}\n${host}`
    let client = this.#clients.get(name)
    if (client === undefined) {
      client = new WorldClient(nameOf(as), token, host, this.#ports.time, this.#ports.sockets, this.#ports.note)
      this.#clients.set(name, client)
    }
    return client
  }
}

function nameOf(as: Via['as']): string {
  return as === undefined ? 'test' : typeof as === 'string' ? as : as.sub
}
