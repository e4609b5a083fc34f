/**
 * The link on which this node asks one other: dialled on first use, over when the wire is.
 *
 *     resting ──▶ dialling ──opened──▶ open ──▶ over
 *        └────────────┴───── wire closed, member gone ──▲
 *
 *  1. Requests go out in the order asked, as far as credit reaches (R1); the rest waits here, bounded.
 *  2. Every request that was taken is answered or lost, once. Lost: whether it was applied is unknown.
 *  3. The other end is one generation of one node: another one that opens ends the link.
 *  4. A `moved` is confirmed before anything that is asked after it (inbound.ts, order).
 */
import type { Note } from '../actors/calls.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { BoundedQueue } from '../base/queue.ts'
import type { Member } from '../cluster/member.ts'
import type { Peer, Transport, Wire, WireEnd, WireEvents } from '../cluster/transport.ts'
import type { Options } from '../options.ts'
import { Batch } from './batch.ts'
import type { ByteWriter } from './bytes.ts'
import { FrameDecoder, type Malformed } from './link-decode.ts'
import { writeFinished, writeHello, writeNumber, writeRenew } from './link-encode.ts'
import { LINK_VERSION, type AnswerFrame, type LinkFrame, type Renewal } from './link-frames.ts'

/** Something asked of another node. One of `answered` and `lost` is called, once, unless `ask` did not take it. */
export interface LinkRequest {
  /** Nobody waits for it any more: it need not be sent. */
  readonly over: boolean
  /** One before it must be asked again, and so must this one after it: while it waits for credit it is not sent but given back as `lost`. */
  readonly withdrawn?: boolean
  /** About what it takes on the wire. */
  readonly bytes: number
  write(out: ByteWriter, id: number): void
  answered(frame: AnswerFrame, link: AskingLink): void
  lost(): void
}

/** The subscriber's end of a subscription. Its id is that of the request that made it. */
export interface Followed {
  note(note: Note): void
  ended(): void
}

export interface AskingParts {
  readonly transport: Transport
  readonly clock: Clock
  readonly log: Log
  readonly options: Options
  viewHash(): string
  /** The placement under which nothing is left here that belongs to others (H1); '' while there is. */
  finishedHash(): string
  /** The other end shows its view. */
  sawView(link: AskingLink): void
  /** It answered `moved`, under this view. */
  sawMoved(link: AskingLink, viewHash: string): void
  ended(link: AskingLink, end: WireEnd | 'stale'): void
}

export class AskingLink {
  readonly member: Member
  readonly #parts: AskingParts
  readonly #decoder = new FrameDecoder()
  readonly #waiting: BoundedQueue<LinkRequest>
  /** Not under credit: what nodes ask each other for their own sake, few at a time. */
  #urgent: LinkRequest[] = []
  readonly #asked = new Map<number, LinkRequest>()
  readonly #followed = new Map<number, Followed>()
  #phase: 'resting' | 'dialling' | 'open' | 'over' = 'resting'
  #wire: Wire | null = null
  #batch: Batch | null = null
  #ids = 0
  #waitingBytes = 0
  #usedRequests = 0
  #usedBytes = 0
  #grantedRequests = 0
  #grantedBytes = 0
  #move = 0
  #moveSaid = 0
  /** Hash of the other end's view, once it has said it. */
  viewHash = ''

  constructor(member: Member, restMs: number, parts: AskingParts) {
    this.member = member
    this.#parts = parts
    this.#waiting = new BoundedQueue(parts.options.linkQueue)
    if (restMs <= 0) this.#dial()
    else parts.clock.after(restMs, () => this.#phase === 'resting' && this.#dial())
  }

  get open(): boolean {
    return this.#phase === 'open'
  }

  get over(): boolean {
    return this.#phase === 'over'
  }

  /** Requests that are waiting or unanswered. */
  get pending(): number {
    return this.#waiting.length + this.#urgent.length + this.#asked.size
  }

  /** Requests that wait for credit (R1). */
  get waiting(): number {
    return this.#waiting.length
  }

  /** More waits for the network than should: bundles wait. */
  get crowded(): boolean {
    return this.#batch !== null && this.#batch.waitingBytes > this.#parts.options.linkBufferBytes
  }

  // ── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Under credit. false: not taken, too much waits (R1). */
  ask(request: LinkRequest): boolean {
    if (this.#phase === 'open' && this.#waiting.length === 0 && this.#credit) {
      this.#write(request, true)
      return true
    }
    if (this.#waitingBytes >= this.#parts.options.linkQueueBytes || !this.#waiting.push(request)) return false
    this.#waitingBytes += request.bytes
    return true
  }

  /** Without credit, before what waits. */
  askNow(request: LinkRequest): void {
    if (this.#phase === 'open') this.#write(request, false)
    else this.#urgent.push(request)
  }

  /** Notes of this subscription go to `followed` from now on. */
  follow(sub: number, followed: Followed): void {
    this.#followed.set(sub, followed)
  }

  unfollow(sub: number): void {
    this.#followed.delete(sub)
    this.#say((out) => writeNumber(out, 'unsubscribe', sub))
  }

  renew(renewals: readonly Renewal[]): void {
    this.#say((out) => writeRenew(out, renewals))
  }

  viewChanged(): void {
    this.#say((out) => writeHello(out, 'hello', this.#parts.viewHash()))
  }

  finished(viewHash: string): void {
    this.#say((out) => writeFinished(out, viewHash))
  }

  #say(write: (out: ByteWriter) => void): void {
    if (this.#batch === null || this.#phase !== 'open') return
    write(this.#batch.out)
    this.#batch.wrote()
  }

  get #credit(): boolean {
    return this.#usedRequests < this.#grantedRequests && this.#usedBytes < this.#grantedBytes
  }

  #write(request: LinkRequest, credited: boolean): void {
    const batch = this.#batch as Batch
    const { out } = batch
    if (this.#moveSaid !== this.#move) this.#confirm(out)
    const before = out.length
    const id = ++this.#ids
    request.write(out, id)
    if (credited) {
      this.#usedRequests++
      this.#usedBytes += out.length - before
    }
    this.#asked.set(id, request)
    batch.wrote()
  }

  #confirm(out: ByteWriter): void {
    this.#moveSaid = this.#move
    writeNumber(out, 'seen', this.#move)
  }

  #pump(): void {
    while (this.#phase === 'open' && this.#credit) {
      const request = this.#waiting.shift()
      if (request === undefined) return
      this.#waitingBytes -= request.bytes
      if (!request.over && request.withdrawn !== true) this.#write(request, true)
      else request.lost()
    }
  }

  // ── The wire ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #dial(): void {
    this.#phase = 'dialling'
    const events: WireEvents = {
      opened: (peer) => this.#opened(peer),
      message: (bytes) => this.#message(bytes),
      closed: (end, why) => this.#end(end, why),
    }
    const wire = this.#parts.transport.dial(this.member.address, 'data', events)
    this.#wire = wire
    this.#batch = new Batch(this.#parts.clock, wire, this.#parts.options.wireFrameBytes, () => {
      if (this.#moveSaid !== this.#move) this.#confirm(this.#batch!.out)
    })
  }

  #opened(peer: Peer): void {
    if (this.#phase !== 'dialling') return
    const { id, generation } = this.member
    if (peer.id !== id || peer.generation !== generation) {
      this.#wire?.close()
      this.#end('stale', `at ${this.member.address} is ${peer.id}@${peer.generation}, not ${id}@${generation}`)
      return
    }
    this.#phase = 'open'
    this.viewChanged()
    // It was said to the links that were open then.
    if (this.#parts.finishedHash() !== '') this.finished(this.#parts.finishedHash())
    const urgent = this.#urgent
    this.#urgent = []
    for (const request of urgent)
      if (request.over) request.lost()
      else this.#write(request, false)
  }

  #message(bytes: Uint8Array): void {
    if (this.#phase !== 'open') return
    this.#decoder.open(bytes)
    for (let frame = this.#decoder.next(); frame !== null && this.open; frame = this.#decoder.next()) {
      try {
        this.#frame(frame)
      } catch (error) {
        this.#parts.log.error({ peer: this.member.id, frame: frame.t }, `an answer threw: ${describe(error)}`)
      }
    }
  }

  #frame(frame: LinkFrame | Malformed): void {
    switch (frame.t) {
      case 'moved':
        this.#move = Math.max(this.#move, frame.move)
        this.#batch?.wake()
        this.#parts.sawMoved(this, frame.viewHash)
        return this.#answer(frame)
      case 'replied':
      case 'failed':
      case 'answered':
      case 'state':
      case 'page':
      case 'pulled':
      case 'handed':
      case 'told':
        return this.#answer(frame)
      case 'note':
        return this.#followed.get(frame.sub)?.note(frame.note)
      case 'ended': {
        const followed = this.#followed.get(frame.sub)
        this.#followed.delete(frame.sub)
        return followed?.ended()
      }
      case 'credit':
        this.#grantedRequests = Math.max(this.#grantedRequests, frame.requests)
        this.#grantedBytes = Math.max(this.#grantedBytes, frame.bytes)
        return this.#pump()
      case 'welcome':
        if (frame.version !== LINK_VERSION) return this.close(`it speaks version ${frame.version} of links, this node ${LINK_VERSION}`)
        this.viewHash = frame.viewHash
        return this.#parts.sawView(this)
      case 'malformed':
        return this.close(`it sent something malformed: ${frame.why}`)
      default:
        return this.close(`it sent '${frame.t}', which only the asking end sends`)
    }
  }

  #answer(frame: AnswerFrame): void {
    const request = this.#asked.get(frame.id)
    if (request === undefined) return
    this.#asked.delete(frame.id)
    request.answered(frame, this)
  }

  /** Ends it from this side. */
  close(why: string): void {
    if (this.#phase === 'open') this.#batch?.flush()
    this.#wire?.close()
    this.#end('stale', why)
  }

  /** The one way out (2). */
  #end(end: WireEnd | 'stale', why: string): void {
    if (this.#phase === 'over') return
    const wasOpen = this.#phase === 'open'
    this.#phase = 'over'
    this.#batch?.end()
    this.#batch = null
    const { log } = this.#parts
    if (wasOpen) log.info({ peer: this.member.id, generation: this.member.generation, end }, `a link ended: ${why}`)
    this.#parts.ended(this, end)
    const lost = [...this.#asked.values(), ...this.#urgent, ...this.#waiting.drain()]
    this.#asked.clear()
    this.#urgent = []
    const followed = [...this.#followed.values()]
    this.#followed.clear()
    for (const request of lost) {
      try {
        request.lost()
      } catch (error) {
        log.error({ peer: this.member.id }, `a lost request threw: ${describe(error)}`)
      }
    }
    for (const subscriber of followed) {
      try {
        subscriber.ended()
      } catch (error) {
        log.error({ peer: this.member.id }, `a subscriber threw: ${describe(error)}`)
      }
    }
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
