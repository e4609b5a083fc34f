/**
 * Password hashing: scrypt (RFC 7914) with the parameters OWASP recommends first (N = 2^17, r = 8, p = 1: 128 MiB and some 0.3 s each),
 * kept as a PHC string `$scrypt$ln=17,r=8,p=1$salt$hash`. Done in the route, on libuv's threads; a reducer only ever sees the result.
 *
 * At most `parallel` run at once and `waiting` wait: a flood of log-ins costs bounded memory and is told `overloaded`. Who has gone away
 * meanwhile is not hashed for: else callers that give up and come again would make the queue longer than they make it shorter.
 */
import { randomBytes, scrypt } from 'node:crypto'
import { TroupeError } from '../../src/index.ts'

const SALT_BYTES = 16
const HASH_BYTES = 32
const R = 8
const P = 1

export interface PasswordOptions {
  /** log2 of scrypt's N: 17 by default. Less only for load tests, where hashing is not what is measured. */
  readonly ln?: number
  /** Hashes computed at once. */
  readonly parallel?: number
  /** Requests that may wait for one. */
  readonly waiting?: number
}

interface Waiter {
  readonly gone: AbortSignal | undefined
  readonly enter: () => void
  readonly giveUp: (error: TroupeError) => void
}

export class Passwords {
  readonly #ln: number
  readonly #waitingMax: number
  readonly #waiting: Waiter[] = []
  #free: number

  constructor({ ln = 17, parallel = 2, waiting = 64 }: PasswordOptions = {}) {
    if (!Number.isInteger(ln) || ln < 4 || ln > 20) throw new RangeError('ln, log2 of the scrypt cost, is a whole number from 4 to 20')
    this.#ln = ln
    this.#free = parallel
    this.#waitingMax = waiting
  }

  /** A new PHC string. */
  hash(password: string, gone?: AbortSignal): Promise<string> {
    return this.rehash(password, this.salt(randomBytes(SALT_BYTES)), gone)
  }

  /** `$scrypt$…$salt` with today's parameters; for accounts that do not exist, so that asking for one takes as long. */
  salt(bytes: Uint8Array): string {
    return `$scrypt$ln=${this.#ln},r=${R},p=${P}$${base64(bytes.subarray(0, SALT_BYTES))}`
  }

  /** The PHC string of this password under the parameters and salt of another. `gone`: the caller is. Throws `overloaded`. */
  async rehash(password: string, salt: string, gone?: AbortSignal): Promise<string> {
    const parts = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)$/.exec(salt)
    if (parts === null) throw new TypeError('not the salt of a PHC string of scrypt')
    const [, ln, r, p, bytes] = parts
    await this.#enter(gone)
    try {
      const hash = await derive(password.normalize('NFKC'), Buffer.from(bytes as string, 'base64'), Number(ln), Number(r), Number(p))
      return `${salt}$${base64(hash)}`
    } finally {
      this.#leave()
    }
  }

  #enter(gone: AbortSignal | undefined): Promise<void> | void {
    if (this.#free > 0) {
      this.#free--
      return
    }
    if (this.#waiting.length >= this.#waitingMax)
      throw new TroupeError('overloaded', 'too many log-ins at once: try again in a moment', { retryAfterMs: 1000 })
    return new Promise((enter, giveUp) => this.#waiting.push({ gone, enter, giveUp }))
  }

  #leave(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.gone?.aborted !== true) return next.enter()
      next.giveUp(new TroupeError('unavailable', 'the caller went away before its turn'))
    }
    this.#free++
  }
}

function derive(password: string, salt: Buffer, ln: number, r: number, p: number): Promise<Buffer> {
  const N = 2 ** ln
  return new Promise((resolve, reject) => {
    scrypt(password, salt, HASH_BYTES, { N, r, p, maxmem: 128 * N * r + 1024 * 1024 }, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replaceAll('=', '')
