/** Bytes of a link as frames (link-frames.ts). Every malformed input is a value that says what is wrong; nothing throws. */
import type { HistoryEntry, Note, QueryCall, SendCall, TopicState } from '../actors/calls.ts'
import type { Failure } from '../errors.ts'
import { ByteReader } from './bytes.ts'
import { DATA, FAILURE, NOTE, QUERY, SEND, STATE, TOPIC_KINDS } from './link-encode.ts'
import { ERROR_CODES, KIND, MESSAGE_BYTES_MAX, type LinkFrame, type MovedFrame, type Renewal } from './link-frames.ts'

export interface Malformed {
  readonly t: 'malformed'
  readonly why: string
}

const PART_HEAD_BYTES = 5
const NOTHING = Buffer.alloc(0)
/** Read as malformed: more came in parts than one message may have. */
const CUT_OFF = Buffer.from([KIND.part])

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/** One for each wire and direction, reused: `open` a message, then `next` until it is null. */
export class FrameDecoder {
  readonly #in = new ByteReader()
  #value: unknown = undefined
  #parts: Uint8Array[] = []
  #partBytes = 0
  /** Bytes that the frame last given took on the wire. */
  frameBytes = 0

  open(message: Uint8Array): void {
    const kind = message[0]
    if (kind === KIND.part || kind === KIND.lastPart) this.#in.open(this.#assembled(message, kind === KIND.lastPart))
    else this.#in.open(message)
  }

  /** Nothing, until the last part is there. */
  #assembled(message: Uint8Array, last: boolean): Uint8Array {
    this.#partBytes += message.length
    if (this.#partBytes > MESSAGE_BYTES_MAX) {
      this.#parts = []
      return CUT_OFF
    }
    this.#parts.push(message.subarray(PART_HEAD_BYTES))
    if (!last) return NOTHING
    const whole = Buffer.concat(this.#parts)
    this.#parts = []
    this.#partBytes = 0
    return whole
  }

  /** The next frame; null at the end of the message. After a malformed one nothing follows. */
  next(): LinkFrame | Malformed | null {
    const input = this.#in
    while (!input.done) {
      const kind = input.u8()
      const bytes = input.u32()
      this.frameBytes = bytes + 5
      input.enter(bytes)
      if (input.failed) return this.#malformed(`frame ${kind} is cut off`)
      const frame = this.#frame(kind)
      if (input.failed) return this.#malformed(`frame ${kind} is too short for its fields`)
      input.leave()
      if (frame === null) continue // of a newer node
      return frame.t === 'malformed' ? this.#malformed(frame.why) : frame
    }
    input.close()
    return null
  }

  #malformed(why: string): Malformed {
    this.#in.close()
    return { t: 'malformed', why }
  }

  #frame(kind: number): LinkFrame | Malformed | null {
    const input = this.#in
    switch (kind) {
      case KIND.send:
        return this.#send()
      case KIND.replied: {
        const id = input.varint()
        const offset = input.varint()
        const flags = input.u8()
        return { t: 'replied', id, offset, durable: (flags & 1) !== 0, duplicate: (flags & 2) !== 0 }
      }
      case KIND.note:
        return { t: 'note', sub: input.varint(), note: this.#note() }
      case KIND.hello:
        return { t: 'hello', version: input.varint(), viewHash: input.text() }
      case KIND.welcome:
        return { t: 'welcome', version: input.varint(), viewHash: input.text() }
      case KIND.seen:
        return { t: 'seen', move: input.varint() }
      case KIND.query:
        return this.#query()
      case KIND.topic:
      case KIND.subscribe: {
        const id = input.varint()
        const timeoutMs = input.varint()
        const call = { actor: input.text(), topic: input.text(), atLeast: input.varint(), timeoutMs }
        return { t: kind === KIND.topic ? 'topic' : 'subscribe', id, timeoutMs, call }
      }
      case KIND.unsubscribe:
        return { t: 'unsubscribe', sub: input.varint() }
      case KIND.history: {
        const id = input.varint()
        const timeoutMs = input.varint()
        const call = { actor: input.text(), from: input.varint(), limit: input.varint(), timeoutMs }
        return { t: 'history', id, timeoutMs, call: { ...call, types: input.u8() === 0 ? null : this.#texts() } }
      }
      case KIND.renew:
        return { t: 'renew', renewals: this.#renewals() }
      case KIND.pull:
        return { t: 'pull', id: input.varint(), timeoutMs: input.varint(), actor: input.text() }
      case KIND.bundle:
        return { t: 'bundle', id: input.varint(), timeoutMs: input.varint(), actor: input.text(), bytes: input.bytes() }
      case KIND.finished:
        return { t: 'finished', viewHash: input.text() }
      case KIND.ask:
        return { t: 'ask', id: input.varint(), timeoutMs: input.varint(), what: input.text(), json: input.text() }
      case KIND.credit:
        return { t: 'credit', requests: input.varint(), bytes: input.varint() }
      case KIND.failed:
        return this.#failed()
      case KIND.moved:
        return this.#moved()
      case KIND.answered:
        return { t: 'answered', id: input.varint(), offset: input.varint(), json: input.text() }
      case KIND.state:
        return this.#state()
      case KIND.page:
        return this.#page()
      case KIND.pulled:
        return { t: 'pulled', id: input.varint(), bytes: input.bytes(), finished: input.text() }
      case KIND.handed:
        return { t: 'handed', id: input.varint(), taken: input.u8() === 1 }
      case KIND.told:
        return { t: 'told', id: input.varint(), json: input.text() }
      case KIND.ended:
        return { t: 'ended', sub: input.varint() }
      default:
        return null
    }
  }

  #send(): LinkFrame | Malformed {
    const input = this.#in
    const id = input.varint()
    const timeoutMs = input.varint()
    const call: Mutable<SendCall> = { actor: input.text(), type: input.text(), data: undefined, sender: input.text(), timeoutMs }
    const flags = input.u8()
    if ((flags & SEND.source) !== 0) call.source = input.text()
    if ((flags & SEND.seq) !== 0) call.seq = input.varint()
    if ((flags & SEND.base) !== 0) call.base = input.varint()
    if ((flags & SEND.key) !== 0) call.key = input.text()
    const wrong = this.#payload()
    call.data = this.#value
    return wrong ?? { t: 'send', id, timeoutMs, call }
  }

  #query(): LinkFrame | Malformed {
    const input = this.#in
    const id = input.varint()
    const timeoutMs = input.varint()
    const call: Mutable<QueryCall> = { actor: input.text(), name: input.text(), args: undefined, timeoutMs }
    const flags = input.u8()
    if ((flags & QUERY.strict) !== 0) call.strict = true
    if ((flags & QUERY.atLeast) !== 0) call.atLeast = input.varint()
    const wrong = this.#payload()
    call.args = this.#value
    return wrong ?? { t: 'query', id, timeoutMs, call }
  }

  /** Leaves it in `#value`; returns what is wrong with it. */
  #payload(): Malformed | null {
    const input = this.#in
    this.#value = undefined
    switch (input.u8()) {
      case DATA.none:
        return null
      case DATA.json: {
        const json = input.text()
        if (input.failed) return null
        try {
          this.#value = JSON.parse(json) as unknown
          return null
        } catch {
          return { t: 'malformed', why: 'the data of a request is not JSON' }
        }
      }
      case DATA.bytes:
        this.#value = new Uint8Array(input.bytes()) // a copy: the engine and the reducer may keep it
        return null
      default:
        return { t: 'malformed', why: 'the data of a request is of an unknown form' }
    }
  }

  #failed(): LinkFrame | Malformed {
    const input = this.#in
    const id = input.varint()
    // A code that only newer nodes know.
    const code = ERROR_CODES[input.u8()] ?? 'internal'
    const failure: Mutable<Failure> = { ok: false, code, message: input.text() }
    const flags = input.u8()
    if ((flags & FAILURE.retryAfterMs) !== 0) failure.retryAfterMs = input.varint()
    if ((flags & FAILURE.reason) !== 0) failure.reason = input.text()
    if ((flags & FAILURE.next) !== 0) failure.next = input.varint()
    return { t: 'failed', id, failure }
  }

  #moved(): MovedFrame {
    const input = this.#in
    const id = input.varint()
    const move = input.varint()
    return { t: 'moved', id, move, viewHash: input.text(), owner: input.text(), minVersion: input.varint() }
  }

  #state(): LinkFrame | Malformed {
    const input = this.#in
    const id = input.varint()
    const kind = TOPIC_KINDS[input.u8()]
    if (kind === undefined) return { t: 'malformed', why: 'a topic of an unknown kind' }
    const journal = input.text()
    const epoch = input.varint()
    const offset = input.varint()
    const changed = input.varint()
    const oldest = input.varint()
    const everyMs = input.f64()
    const state: Mutable<TopicState> = { ok: true, kind, journal, epoch, offset, changed, oldest, everyMs }
    const flags = input.u8()
    if ((flags & STATE.json) !== 0) state.json = input.text()
    if ((flags & STATE.types) !== 0) state.types = this.#texts()
    else if ((flags & STATE.allTypes) !== 0) state.types = null
    return { t: 'state', id, state }
  }

  #page(): LinkFrame {
    const input = this.#in
    const id = input.varint()
    const more = input.u8() === 1
    const next = input.varint()
    const oldest = input.varint()
    const journal = input.text()
    const entries: HistoryEntry[] = []
    for (let left = input.varint(); left > 0 && !input.failed; left--)
      entries.push({ offset: input.varint(), type: input.text(), at: input.f64(), json: input.text() })
    return { t: 'page', id, page: { ok: true, entries, more, next, oldest, journal } }
  }

  #note(): Note {
    const input = this.#in
    const note: Mutable<Note> = { journal: input.text(), epoch: input.varint(), offset: input.varint() }
    const flags = input.u8()
    if ((flags & NOTE.type) !== 0) note.type = input.text()
    if ((flags & NOTE.at) !== 0) note.at = input.f64()
    if ((flags & NOTE.json) !== 0) note.json = input.text()
    return note
  }

  #renewals(): Renewal[] {
    const input = this.#in
    const renewals: Renewal[] = []
    for (let left = input.varint(); left > 0 && !input.failed; left--)
      renewals.push({ sub: input.varint(), journal: input.text(), epoch: input.varint(), offset: input.varint() })
    return renewals
  }

  #texts(): string[] {
    const texts: string[] = []
    for (let left = this.#in.varint(); left > 0 && !this.#in.failed; left--) texts.push(this.#in.text())
    return texts
  }
}
