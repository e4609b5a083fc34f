/** Session ids: 128 random bits, 22 characters of URL-safe base64. The random bytes are taken from the machine for many ids at once. */
import type { Random } from '../base/random.ts'

const ID_BYTES = 16
const POOL_BYTES = 256 * ID_BYTES

export class SessionIds {
  readonly #random: Random
  #pool: Buffer = Buffer.alloc(0)
  #at = 0

  constructor(random: Random) {
    this.#random = random
  }

  next(): string {
    if (this.#at === this.#pool.length) {
      const { buffer, byteOffset, length } = this.#random.bytes(POOL_BYTES)
      this.#pool = Buffer.from(buffer, byteOffset, length)
      this.#at = 0
    }
    const from = this.#at
    this.#at += ID_BYTES
    return this.#pool.toString('base64url', from, this.#at)
  }
}
