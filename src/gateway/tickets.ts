/**
 * Resume tickets (DESIGN D10): servers keep no session, the client carries it. A ticket is
 * `base64url(JSON) . base64url(HMAC-SHA256(key, "troupe-ticket-1." + first part))` (RFC 2104). It is signed, not secret: its owner can
 * read it, so an app's `claims` should hold nothing that the user must not see.
 *
 * It never carries rights beyond the token it was given for: that token's expiry is in it.
 */
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'
import type { Identity } from '../actors/define.ts'

export interface Ticket {
  readonly session: string
  readonly who: Identity
  readonly device: string
  /** ms since 1970; the ticket itself. The token's is `who.expiresAt`. */
  readonly expiresAt: number
}

type Fields = readonly [
  session: string,
  sub: string,
  actor: string | null,
  device: string,
  expiresAt: number,
  tokenExpiresAt: number | null,
  claims: Readonly<Record<string, unknown>> | null,
]

export class Tickets {
  // Made once: bytes would be made a key, by way of two exceptions, with each signature.
  readonly #key: KeyObject

  constructor(key: Uint8Array) {
    if (key.length < 16) throw new TypeError('the ticket key needs at least 16 bytes')
    this.#key = createSecretKey(key)
  }

  issue({ session, who, device, expiresAt }: Ticket): string {
    const fields: Fields = [session, who.sub, who.actor ?? null, device, expiresAt, who.expiresAt ?? null, who.claims ?? null]
    const body = Buffer.from(JSON.stringify(fields)).toString('base64url')
    return `${body}.${this.#sign(body).toString('base64url')}`
  }

  /** The ticket, or null: not one of ours, changed, or past its own expiry. Whether the token still holds is the caller's to judge. */
  open(text: string, nowMs: number): Ticket | null {
    const dot = text.indexOf('.')
    if (dot < 0) return null
    const body = text.slice(0, dot)
    const given = Buffer.from(text.slice(dot + 1), 'base64url')
    const due = this.#sign(body)
    if (given.length !== due.length || !timingSafeEqual(given, due)) return null
    const [session, sub, actor, device, expiresAt, tokenExpiresAt, claims] = JSON.parse(Buffer.from(body, 'base64url').toString()) as Fields
    if (nowMs >= expiresAt) return null
    const who: Identity = {
      sub,
      ...(actor !== null && { actor }),
      ...(tokenExpiresAt !== null && { expiresAt: tokenExpiresAt }),
      ...(claims !== null && { claims }),
    }
    return { session, who, device, expiresAt }
  }

  #sign(body: string): Buffer {
    return createHmac('sha256', this.#key).update(`troupe-ticket-1.${body}`).digest()
  }
}
