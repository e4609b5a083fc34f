/**
 * Writing and reading the bytes of a link (link-frames.ts). The writer grows one buffer and gives it away whole; the reader never throws:
 * what is not there, too long or not a number makes it `failed`, and everything it reads from then on is empty.
 */

const SHORT = 40
const FIRST_BYTES = 1024
/** Above this a varint is not a whole number of JavaScript. */
const VARINT_BYTES_MAX = 8

export class ByteWriter {
  #buffer: Buffer = Buffer.allocUnsafe(FIRST_BYTES)
  #length = 0
  /** What to allocate for the next: about as much as the last one took. */
  #next = FIRST_BYTES

  get length(): number {
    return this.#length
  }

  /** What was written, without a copy: the writer goes on with another buffer. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#length)
    this.#next = Math.min(256 * 1024, Math.max(FIRST_BYTES, this.#length + (this.#length >> 2)))
    this.#buffer = EMPTY
    this.#length = 0
    return taken
  }

  u8(value: number): void {
    this.#room(1)
    this.#buffer[this.#length++] = value
  }

  /** Four bytes to be filled in by `patch`. */
  hole(): number {
    this.#room(4)
    const at = this.#length
    this.#length += 4
    return at
  }

  patch(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value, at)
  }

  /** A whole number from 0 to 2^53 − 1, 7 bits a byte, lowest first. Others are brought into that range. */
  varint(value: number): void {
    this.#room(VARINT_BYTES_MAX)
    const buffer = this.#buffer
    let at = this.#length
    let rest = value >= 0 && value <= Number.MAX_SAFE_INTEGER ? Math.trunc(value) : value > 0 ? Number.MAX_SAFE_INTEGER : 0
    while (rest > 0x7fffffff) {
      buffer[at++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    while (rest > 127) {
      buffer[at++] = (rest & 127) | 128
      rest >>>= 7
    }
    buffer[at++] = rest
    this.#length = at
  }

  f64(value: number): void {
    this.#room(8)
    this.#buffer.writeDoubleLE(Number.isFinite(value) ? value : 0, this.#length)
    this.#length += 8
  }

  text(value: string): void {
    const units = value.length
    if (units <= SHORT) {
      this.#room(1 + 3 * SHORT)
      const buffer = this.#buffer
      const start = this.#length
      let at = start + 1
      let i = 0
      for (; i < units; i++) {
        const unit = value.charCodeAt(i)
        if (unit > 127) break
        buffer[at++] = unit
      }
      if (i < units) at = start + 1 + buffer.write(value, start + 1, 'utf8')
      buffer[start] = at - start - 1
      this.#length = at
      return
    }
    const bytes = Buffer.byteLength(value, 'utf8')
    this.varint(bytes)
    this.#room(bytes)
    this.#buffer.write(value, this.#length, 'utf8')
    this.#length += bytes
  }

  bytes(value: Uint8Array): void {
    this.varint(value.length)
    this.#room(value.length)
    this.#buffer.set(value, this.#length)
    this.#length += value.length
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#next, this.#buffer.length * 2, this.#length + bytes))
    larger.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = larger
  }
}

const EMPTY = Buffer.alloc(0)

export class ByteReader {
  #buffer: Buffer = EMPTY
  #at = 0
  #end = 0
  #limit = 0
  failed = false

  /** Begins with another message. */
  open(message: Uint8Array): void {
    this.#buffer = Buffer.isBuffer(message) ? message : Buffer.from(message.buffer, message.byteOffset, message.byteLength)
    this.#at = 0
    this.#end = this.#buffer.length
    this.#limit = this.#end
    this.failed = false
  }

  /** Lets go of the message, so that it does not stay in memory until the next. */
  close(): void {
    this.#buffer = EMPTY
    this.#at = this.#end = this.#limit = 0
  }

  /** Everything of the message was read. */
  get done(): boolean {
    return this.#at >= this.#limit
  }

  /** Bytes left up to the end of the part. */
  get left(): number {
    return this.#end - this.#at
  }

  /** What follows is limited to the next `bytes`, until `leave`. */
  enter(bytes: number): void {
    if (this.#at + bytes > this.#limit) this.#fail()
    else this.#end = this.#at + bytes
  }

  /** Skips what was not read of the part: fields that a newer node has added. */
  leave(): void {
    this.#at = this.#end
    this.#end = this.#limit
  }

  u8(): number {
    if (this.#at >= this.#end) return this.#fail()
    return this.#buffer[this.#at++] as number
  }

  u32(): number {
    if (this.#at + 4 > this.#end) return this.#fail()
    const value = this.#buffer.readUInt32LE(this.#at)
    this.#at += 4
    return value
  }

  varint(): number {
    const buffer = this.#buffer
    const end = Math.min(this.#end, this.#at + VARINT_BYTES_MAX)
    let value = 0
    let scale = 1
    let at = this.#at
    while (at < end) {
      const byte = buffer[at++] as number
      value += (byte & 127) * scale
      if (byte < 128) {
        this.#at = at
        return value <= Number.MAX_SAFE_INTEGER ? value : this.#fail()
      }
      scale *= 128
    }
    return this.#fail()
  }

  f64(): number {
    if (this.#at + 8 > this.#end) return this.#fail()
    const value = this.#buffer.readDoubleLE(this.#at)
    this.#at += 8
    return Number.isFinite(value) ? value : this.#fail()
  }

  text(): string {
    const bytes = this.varint()
    const start = this.#at
    if (this.failed || start + bytes > this.#end) {
      this.#fail()
      return ''
    }
    this.#at = start + bytes
    return bytes === 0 ? '' : this.#buffer.toString('utf8', start, start + bytes)
  }

  /** A view of the message: who keeps it longer than the message copies it. */
  bytes(): Uint8Array {
    const bytes = this.varint()
    const start = this.#at
    if (this.failed || start + bytes > this.#end) {
      this.#fail()
      return EMPTY
    }
    this.#at = start + bytes
    return this.#buffer.subarray(start, start + bytes)
  }

  #fail(): number {
    this.failed = true
    this.#at = this.#end = this.#limit
    return 0
  }
}
