/** Bytes of a gossip frame, written and read with bounds. A reader never throws: what does not fit makes it `failed`, and then it gives zeros. */
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })
/** Texts of so few units, whose length is one byte, are mostly ids and addresses: without an array of their own. */
const SHORT = 64

export class ByteWriter {
  #bytes = new Uint8Array(256)
  #length = 0

  get length(): number {
    return this.#length
  }

  byte(value: number): void {
    this.#room(1)
    this.#bytes[this.#length++] = value
  }

  u32(value: number): void {
    this.#room(4)
    const bytes = this.#bytes
    bytes[this.#length++] = value >>> 24
    bytes[this.#length++] = value >>> 16
    bytes[this.#length++] = value >>> 8
    bytes[this.#length++] = value
  }

  /** A whole number from 0 to 2^53 − 1, seven bits a byte, low ones first. */
  varint(value: number): void {
    let rest = value
    while (rest > 127) {
      this.byte((rest % 128) | 128)
      rest = Math.floor(rest / 128)
    }
    this.byte(rest)
  }

  text(value: string): void {
    const start = this.#length
    const units = value.length
    if (units <= SHORT) {
      this.#room(1 + units)
      const bytes = this.#bytes
      let at = start
      bytes[at++] = units
      let i = 0
      for (; i < units; i++) {
        const unit = value.charCodeAt(i)
        if (unit > 127) break
        bytes[at++] = unit
      }
      if (i === units) {
        this.#length = at
        return
      }
    }
    const bytes = encoder.encode(value)
    this.varint(bytes.length)
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** Forgets what was written after `length`; of a writer that goes on to another frame, all. */
  cut(length: number): void {
    this.#length = length
  }

  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0
  failed = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#at === this.#bytes.length
  }

  byte(): number {
    const value = this.#bytes[this.#at]
    if (value === undefined) {
      this.failed = true
      return 0
    }
    this.#at++
    return value
  }

  u32(): number {
    return ((this.byte() << 24) | (this.byte() << 16) | (this.byte() << 8) | this.byte()) >>> 0
  }

  varint(max: number = Number.MAX_SAFE_INTEGER): number {
    let value = 0
    let unit = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.byte()
      value += (byte & 127) * unit
      if (byte < 128) return value <= max ? value : this.#fail()
      unit *= 128
    }
    return this.#fail()
  }

  text(bytesMax: number, bytesMin = 0): string {
    const length = this.varint(bytesMax)
    if (this.failed || length < bytesMin || this.#at + length > this.#bytes.length) {
      this.failed = true
      return ''
    }
    const end = this.#at + length
    try {
      const value = decoder.decode(this.#bytes.subarray(this.#at, end))
      this.#at = end
      return value
    } catch {
      this.failed = true
      return ''
    }
  }

  #fail(): number {
    this.failed = true
    return 0
  }
}
