/**
 * One notification on its way to many sockets: what they share is encoded once for each form of message, and sockets whose `sub` and
 * `from` agree (most of a large audience) share the whole frame, ready for the wire.
 */
import type { EncodedNote, ServerCodec } from '../protocol/encode.ts'
import type { Message } from './outbox.ts'

interface Form {
  readonly codec: ServerCodec<Message>
  readonly tail: Message
  sub: number
  from: number
  message: Message
  framed: Uint8Array | null
}

export class SharedNote {
  readonly note: EncodedNote
  #first: Form | null = null
  #second: Form | null = null

  constructor(note: EncodedNote) {
    this.note = note
  }

  get offset(): number {
    return this.note.offset
  }

  message(codec: ServerCodec<Message>, sub: number, from: number): Message {
    return this.#form(codec, sub, from).message
  }

  /** The message as it goes on the wire; `frame` must be the same function for all that use `codec`. */
  framed(codec: ServerCodec<Message>, sub: number, from: number, frame: (message: Message) => Uint8Array): Uint8Array {
    const form = this.#form(codec, sub, from)
    form.framed ??= frame(form.message)
    return form.framed
  }

  #form(codec: ServerCodec<Message>, sub: number, from: number): Form {
    const form = this.#of(codec, sub, from)
    if (form.sub !== sub || form.from !== from) {
      form.sub = sub
      form.from = from
      form.message = codec.note(sub, from, form.tail)
      form.framed = null
    }
    return form
  }

  #of(codec: ServerCodec<Message>, sub: number, from: number): Form {
    if (this.#first?.codec === codec) return this.#first
    if (this.#second?.codec === codec) return this.#second
    const tail = codec.tail(this.note)
    const form: Form = { codec, tail, sub, from, message: codec.note(sub, from, tail), framed: null }
    if (this.#first === null) this.#first = form
    else this.#second = form
    return form
  }
}
