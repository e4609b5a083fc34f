/**
 * Who a connecting client is and which session it goes on with (DESIGN D10).
 *
 * | `connect` carries | identity from | session |
 * |---|---|---|
 * | token, or nothing (cookies, `?auth=`) | `authenticate` | new |
 * | ticket | the ticket, while the token it was given for holds | the ticket's |
 * | ticket and token | `authenticate` | the ticket's, if it is the same user and device |
 *
 * Only `authenticate` begins a new time for tickets: who comes with a ticket alone gets one that ends with it, or a user who is no longer let
 * in could go on for ever.
 *
 * A ticket alone that does not hold is `expired`, not `unauthenticated`: a client that still has a token source should come again.
 */
import type { AuthRequest, Identity } from '../actors/define.ts'
import type { Clock } from '../base/clock.ts'
import { fail, type Failure } from '../errors.ts'
import type { Auth, AuthOutcome } from './auth.ts'
import type { Handshake } from './session.ts'
import type { SessionIds } from './session-ids.ts'
import type { Ticket, Tickets } from './tickets.ts'

export interface Credentials {
  readonly token?: string | undefined
  readonly ticket?: string | undefined
  readonly device?: string | undefined
}
export interface Admitted {
  readonly ok: true
  readonly session: string
  readonly resumed: boolean
  readonly device: string
  readonly who: Identity
  /** Admitted by a ticket alone, which ends then (ms since 1970): no ticket that is handed on for it may hold for longer. */
  readonly ticketUntil?: number
}
export type Admission = Admitted | Failure

export interface AdmissionParts {
  readonly auth: Auth
  readonly tickets: Tickets
  readonly clock: Clock
  readonly sessionIds: SessionIds
}

export function admit(
  parts: AdmissionParts,
  { token, ticket, device }: Credentials,
  handshake: Handshake,
  transport: AuthRequest['transport'],
): Admission | Promise<Admission> {
  const opened = ticket === undefined ? null : parts.tickets.open(ticket, parts.clock.now())
  const held = opened !== null && (device === undefined || device === opened.device) ? opened : null
  if (ticket !== undefined && token === undefined) return resume(held, parts.clock.now())
  const outcome = parts.auth.authenticate({ ...(token !== undefined && { token }), ...handshake, transport })
  return outcome instanceof Promise ? outcome.then((later) => begin(parts, later, held, device)) : begin(parts, outcome, held, device)
}

function resume(held: Ticket | null, nowMs: number): Admission {
  if (held === null) return fail('expired', 'the ticket does not hold: connect with a token')
  const { session, who, device, expiresAt: ticketUntil } = held
  if (who.expiresAt !== undefined && who.expiresAt <= nowMs) return fail('expired', 'the token has expired: connect with a new one')
  return { ok: true, session, resumed: true, device, who, ticketUntil }
}

function begin(parts: AdmissionParts, outcome: AuthOutcome, held: Ticket | null, device: string | undefined): Admission {
  if (!outcome.ok) return outcome
  const { who } = outcome
  if (held !== null && held.who.sub === who.sub) return { ok: true, session: held.session, resumed: true, device: held.device, who }
  return { ok: true, session: parts.sessionIds.next(), resumed: false, device: device ?? '', who }
}
