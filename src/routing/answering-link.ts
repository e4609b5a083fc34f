/**
 * The link on which one other node asks this one. What is asked is inbound.ts's; here are the bytes, the credit and the peer.
 *
 *  1. It is always read (R1): what may come is bounded by the credit granted, and a full mailbox is an answer like any other.
 *  2. Credit comes back with the answer: at most `linkInflight` requests, and about `linkInflightBytes`, are unanswered here.
 *  3. Order across moves: an answer `moved` to a send bars its actor on this link until the asker confirms that it knows (`seen`).
 *     What it had sent before is answered `moved` too, so that no later send overtakes an earlier one that must come again.
 */
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Peer, Wire, WireEvents } from '../cluster/transport.ts'
import type { Options } from '../options.ts'
import { Batch } from './batch.ts'
import type { ByteWriter } from './bytes.ts'
import { FrameDecoder } from './link-decode.ts'
import { writeCredit, writeHello } from './link-encode.ts'
import { LINK_VERSION, type AskingFrame, type LinkFrame } from './link-frames.ts'

export interface AnsweringParts {
  readonly clock: Clock
  readonly log: Log
  readonly options: Options
  viewHash(): string
  /** The peer is known. false: this wire is not wanted. */
  opened(link: AnsweringLink): boolean
  asked(link: AnsweringLink, frame: Exclude<AskingFrame, { t: 'hello' | 'seen' }>, bytes: number): void
  /** The other end has shown its view. */
  sawView(link: AnsweringLink): void
  ended(link: AnsweringLink): void
}

export class AnsweringLink {
  readonly #parts: AnsweringParts
  readonly #wire: Wire
  readonly #batch: Batch
  readonly #decoder = new FrameDecoder()
  /** Actors that are barred (3), each with the number of its newest `moved`, in that order. */
  readonly #barred = new Map<string, number>()
  #phase: 'opening' | 'open' | 'over' = 'opening'
  #peer: Peer = { id: '', generation: 0, address: '' }
  #moves = 0
  #takenRequests = 0
  #takenBytes = 0
  #answeredRequests = 0
  #answeredBytes = 0
  #grantedRequests = 0
  #grantedBytes = 0
  /** Hash of the other end's view. */
  viewHash = ''

  constructor(wire: Wire, parts: AnsweringParts) {
    this.#wire = wire
    this.#parts = parts
    this.#batch = new Batch(parts.clock, wire, parts.options.wireFrameBytes, () => this.#grant())
  }

  get peer(): Peer {
    return this.#peer
  }

  get over(): boolean {
    return this.#phase === 'over'
  }

  /** Requests that were not answered yet. */
  get pending(): number {
    return this.#takenRequests - this.#answeredRequests
  }

  get barredCount(): number {
    return this.#barred.size
  }

  /** More bytes wait than it should hold: notes conflate, big answers are refused. */
  get crowded(): boolean {
    return this.#batch.waitingBytes > this.#parts.options.linkBufferBytes
  }

  /** Whether a send to the actor that comes now was sent before its asker knew of a `moved`. */
  barred(actor: string): boolean {
    return this.#barred.size > 0 && this.#barred.has(actor)
  }

  /** Bars the actor; the number goes into the `moved`. */
  bar(actor: string): number {
    this.#barred.delete(actor)
    this.#barred.set(actor, ++this.#moves)
    return this.#moves
  }

  get out(): ByteWriter {
    return this.#batch.out
  }

  /** To be called after writing to `out`. */
  wrote(): void {
    this.#batch.wrote()
  }

  /** A request of this size under credit was answered. */
  answered(bytes: number): void {
    this.#answeredRequests++
    this.#answeredBytes += bytes
    this.#batch.wake()
  }

  viewChanged(): void {
    if (this.#phase !== 'open') return
    writeHello(this.out, 'welcome', this.#parts.viewHash())
    this.wrote()
  }

  /** What the transport calls. */
  events(): WireEvents {
    return {
      opened: (peer) => this.#opened(peer),
      message: (bytes) => this.#message(bytes),
      closed: (_end, why) => this.#end(why),
    }
  }

  #opened(peer: Peer): void {
    if (this.#phase !== 'opening') return
    this.#peer = peer
    this.#phase = 'open'
    if (!this.#parts.opened(this)) {
      this.close('a newer one is there')
      return
    }
    this.viewChanged()
  }

  #message(bytes: Uint8Array): void {
    if (this.#phase !== 'open') return
    this.#decoder.open(bytes)
    for (let frame = this.#decoder.next(); frame !== null && this.#phase === 'open'; frame = this.#decoder.next()) {
      if (frame.t === 'malformed') this.close(`it sent something malformed: ${frame.why}`)
      else {
        try {
          this.#frame(frame)
        } catch (error) {
          const said = error instanceof Error ? (error.stack ?? error.message) : String(error)
          this.#parts.log.error({ peer: this.#peer.id, frame: frame.t }, `a request threw: ${said}`)
        }
      }
    }
  }

  #frame(frame: LinkFrame): void {
    switch (frame.t) {
      case 'send':
      case 'query':
      case 'topic':
      case 'subscribe':
      case 'history': {
        const { frameBytes } = this.#decoder
        if (this.#takenRequests >= this.#grantedRequests || this.#takenBytes >= this.#grantedBytes)
          return this.close('it asked more than its credit allows')
        this.#takenRequests++
        this.#takenBytes += frameBytes
        return this.#parts.asked(this, frame, frameBytes)
      }
      case 'unsubscribe':
      case 'renew':
      case 'pull':
      case 'bundle':
      case 'finished':
      case 'ask':
        return this.#parts.asked(this, frame, 0)
      case 'seen':
        return this.#confirmed(frame.move)
      case 'hello':
        if (frame.version !== LINK_VERSION) return this.close(`it speaks version ${frame.version} of links, this node ${LINK_VERSION}`)
        this.viewHash = frame.viewHash
        return this.#parts.sawView(this)
      default:
        return this.close(`it sent '${frame.t}', which only the answering end sends`)
    }
  }

  #confirmed(move: number): void {
    for (const [actor, at] of this.#barred) {
      if (at > move) return
      this.#barred.delete(actor)
    }
  }

  /** At the end of every message: what was answered may be asked anew (2). */
  #grant(): void {
    if (this.#phase !== 'open') return
    const requests = this.#answeredRequests + this.#parts.options.linkInflight
    const bytes = this.#answeredBytes + this.#parts.options.linkInflightBytes
    if (requests === this.#grantedRequests && bytes === this.#grantedBytes) return
    this.#grantedRequests = requests
    this.#grantedBytes = bytes
    writeCredit(this.out, requests, bytes)
  }

  close(why: string): void {
    if (this.#phase === 'open') this.#batch.flush()
    this.#wire.close()
    this.#end(why)
  }

  #end(why: string): void {
    if (this.#phase === 'over') return
    const wasOpen = this.#phase === 'open'
    this.#phase = 'over'
    this.#batch.end()
    this.#barred.clear()
    if (wasOpen) this.#parts.log.info({ peer: this.#peer.id, generation: this.#peer.generation }, `a link from a node ended: ${why}`)
    this.#parts.ended(this)
  }
}
