/**
 * Requests and replies over whichever link is live: gives ids, matches replies, and keeps to the server's window.
 *
 * 1. At most `limits.inflight` requests are unanswered on a link: beyond that the server would stop reading it, pongs and all.
 * 2. Who has something to write says `ready`; writers take turns, in the order in which they said so.
 * 3. While the server asks to be slower, nothing is written but what must be.
 * 4. After `down` no reply of the old link reaches anybody; whoever waits for one must listen to `down` itself.
 */
import type { ClientFrame, ErrorReply, OkReply } from '../protocol/frames.ts'
import type { Link } from './link.ts'
import type { ClientClock } from './platform.ts'

/** `Omit` for each member of a union. */
type Without<Union, Key extends string> = Union extends unknown ? Omit<Union, Key> : never
export type Question = Without<Extract<ClientFrame, { readonly id: number }>, 'id'>
export type Reply = OkReply | ErrorReply

export interface Writer {
  /** Writes one request with `wire.ask`, if it has one; true: it has more. Called only while a link is live and has room. */
  write(): boolean
}

/** Half of what a send has by default: a server cannot ask for its time-out. */
const CALM_MS_MAX = 5_000

export class Wire {
  readonly #clock: Pick<ClientClock, 'after'>
  readonly #ready = new Set<Writer>()
  readonly #asked = new Map<number, (reply: Reply) => void>()
  #link: Link | undefined
  #window = 0
  #nextId = 1
  #pumping = false
  #calm: { cancel(): void } | undefined

  constructor(clock: Pick<ClientClock, 'after'>) {
    this.#clock = clock
  }

  get live(): boolean {
    return this.#link !== undefined
  }

  up(link: Link, inflightMax: number): void {
    this.#link = link
    this.#window = inflightMax
    this.#pump()
  }

  down(): void {
    this.#link = undefined
    this.#asked.clear()
    this.#calm?.cancel()
    this.#calm = undefined
  }

  slower(ms: number): void {
    this.#calm?.cancel()
    this.#calm = this.#clock.after(Math.min(ms, CALM_MS_MAX), () => {
      this.#calm = undefined
      this.#pump()
    })
  }

  ready(writer: Writer): void {
    this.#ready.add(writer)
    this.#pump()
  }

  unready(writer: Writer): void {
    this.#ready.delete(writer)
  }

  /** The id of the request, or undefined when it is larger than a frame may be: nothing was sent. */
  ask(question: Question, onReply: (reply: Reply) => void): number | undefined {
    const id = this.#nextId++
    if (this.#link === undefined || !this.#link.send({ ...question, id } as ClientFrame)) return undefined
    this.#asked.set(id, onReply)
    return id
  }

  /** Lets another wait for the reply to a request that is still unanswered. */
  redirect(id: number, onReply: (reply: Reply) => void): void {
    if (this.#asked.has(id)) this.#asked.set(id, onReply)
  }

  /** No longer waits for a reply, which frees its place in the window. */
  forget(id: number): void {
    if (this.#asked.delete(id)) this.#pump()
  }

  reply(reply: Reply): void {
    const onReply = this.#asked.get(reply.id)
    if (onReply === undefined) return
    this.#asked.delete(reply.id)
    onReply(reply)
    this.#pump()
  }

  #pump(): void {
    // A writer may make others ready; the loop below sees them.
    if (this.#pumping) return
    this.#pumping = true
    try {
      for (const writer of this.#ready) {
        if (this.#link === undefined || this.#calm !== undefined || this.#asked.size >= this.#window) break
        this.#ready.delete(writer)
        if (writer.write()) this.#ready.add(writer)
      }
    } finally {
      this.#pumping = false
    }
  }
}
