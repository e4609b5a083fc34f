/** SCRAM-SHA-256 (RFC 5802, 7677), the server's side: one user, who may do everything. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import type { Document } from 'mongodb'

const ITERATIONS = 4096
const FAILED: Document = { ok: 0, code: 18, codeName: 'AuthenticationFailed', errmsg: 'Authentication failed.' }

/** The conversation of one connection. */
export class Login {
  readonly #user: string
  readonly #password: string
  #client = ''
  #server = ''
  readonly #salt = randomBytes(16)
  done = false

  constructor(user: string, password: string) {
    this.#user = user
    this.#password = password
  }

  start(payload: Buffer): Document {
    this.#client = payload.toString().replace(/^n,,/, '')
    const name = /n=([^,]*)/.exec(this.#client)?.[1]
    if (name !== this.#user) return FAILED
    const nonce = `${/r=([^,]*)/.exec(this.#client)?.[1]}${randomBytes(12).toString('base64')}`
    this.#server = `r=${nonce},s=${this.#salt.toString('base64')},i=${ITERATIONS}`
    return { ok: 1, conversationId: 1, done: false, payload: Buffer.from(this.#server) }
  }

  proceed(payload: Buffer): Document {
    if (this.done) return { ok: 1, conversationId: 1, done: true, payload: Buffer.alloc(0) }
    const message = payload.toString()
    const proof = Buffer.from(/p=(.*)$/.exec(message)?.[1] ?? '', 'base64')
    const salted = pbkdf2Sync(this.#password.normalize('NFKC'), this.#salt, ITERATIONS, 32, 'sha256')
    const key = hmac(salted, 'Client Key')
    const text = `${this.#client},${this.#server},${message.replace(/,p=.*$/, '')}`
    const signature = hmac(createHash('sha256').update(key).digest(), text)
    const wanted = key.map((byte, i) => byte ^ (signature[i] as number))
    if (Buffer.compare(proof, wanted) !== 0) return FAILED
    this.done = true
    const verifier = hmac(hmac(salted, 'Server Key'), text).toString('base64')
    return { ok: 1, conversationId: 1, done: true, payload: Buffer.from(`v=${verifier}`) }
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
