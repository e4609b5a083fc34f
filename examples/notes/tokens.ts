/**
 * Tokens, made and checked without asking anybody: HMAC-SHA256 (RFC 2104) under the app's secret.
 *
 *   of a person    u1.<uid>.<expires, base 36>.<256 random bits>.<mac>
 *   of a provider  p1.<name>.<mac>                                         (no expiry: change the secret to revoke)
 *
 * T1  The mac says that this app made the token; `authenticate` needs no more to refuse made-up ones cheaply, on every node.
 * T2  Whether the session is still open only the user's actor knows: it keeps SHA-256 of the random part. Reading the
 *     journal therefore gives nobody a token.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

export type Bearer =
  | {
      readonly kind: 'person'
      readonly uid: string
      readonly expiresAt: number
      /** What the actor knows the session by. */ readonly session: string
    }
  | { readonly kind: 'provider'; readonly name: string }

export class Tokens {
  readonly #secret: string

  constructor(secret: string) {
    if (secret.length < 32) throw new TypeError('the secret of the tokens needs at least 32 characters')
    this.#secret = secret
  }

  person(uid: string, expiresAt: number): { readonly token: string; readonly session: string } {
    const random = randomBytes(32).toString('base64url')
    const said = `u1.${uid}.${expiresAt.toString(36)}.${random}`
    return { token: `${said}.${this.#mac(said)}`, session: sessionOf(random) }
  }

  provider(name: string): string {
    const said = `p1.${name}`
    return `${said}.${this.#mac(said)}`
  }

  /** Who the bearer is, or null: not ours, or past its time. */
  read(token: string | undefined, now: number): Bearer | null {
    if (token === undefined || token.length > 512) return null
    const cut = token.lastIndexOf('.')
    if (cut < 0 || !same(token.slice(cut + 1), this.#mac(token.slice(0, cut)))) return null
    const [kind, name, expires, random] = token.slice(0, cut).split('.')
    if (kind === 'p1' && name !== undefined) return { kind: 'provider', name }
    if (kind !== 'u1' || name === undefined || expires === undefined || random === undefined) return null
    const expiresAt = Number.parseInt(expires, 36)
    return expiresAt > now ? { kind: 'person', uid: name, expiresAt, session: sessionOf(random) } : null
  }

  /** A name for something, that nobody without the secret can foresee: 22 characters. */
  pseudonym(...of: readonly string[]): string {
    return createHmac('sha256', this.#secret).update(JSON.stringify(of)).digest('base64url').slice(0, 22)
  }

  #mac(text: string): string {
    return createHmac('sha256', this.#secret).update(text).digest('base64url')
  }
}

const sessionOf = (random: string): string => createHash('sha256').update(random).digest('base64url')

function same(given: string, known: string): boolean {
  const a = Buffer.from(given)
  const b = Buffer.from(known)
  return a.length === b.length && timingSafeEqual(a, b)
}
