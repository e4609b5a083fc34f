/**
 * Names and e-mail addresses, each held by at most one account, for ever: an actor `name/<normalised text>` each, and a
 * two-phase commit between them and the account. The account's own actor decides; a name only waits for what it decided.
 *
 *   route                name/alice         name/a@x.org        user/<uid>
 *     │── name.claimed ────▶│ held by uid        │                   │
 *     │── name.claimed ──────────────────────────▶│ held by uid       │
 *     │── account.registered ──────────────────────────────────────▶│  ← the decision
 *     │                     │◀────────── name.confirmed ──────────────│
 *     │                     │                    │◀── name.confirmed ─│
 *
 * N1  A uid is made of name and e-mail (registration.ts), so every try to register the same pair asks for the same account.
 * N2  Confirmed, a name never changes hands. The confirmation is an effect of the registration: exactly once, whatever dies.
 * N3  A claim that is not confirmed within a minute asks the account's actor. There the question decides: registered → confirmed;
 *     not registered → no try that began up to then will ever register, and the name is free again.
 * N4  Who claims again on behalf of the same uid only moves the claim's time forward, never back: N3 then refuses the older try too.
 *     So safety needs no clock: `at` only orders the tries.
 * N5  A route that was refused one of the two names gives back the other, unless it was claimed again since: then another try for the same uid, or
 *     the same one repeated, may count on it, and a minute of doubt (N3) frees it.
 */
import { z } from 'zod'
import { actor, type ReduceContext, type Refusal } from '../../src/index.ts'

const DOUBT_MS = 60_000

const Claimed = z.strictObject({ uid: z.string().max(64), attempt: z.string().max(200), at: z.int().min(0) })
const Confirmed = z.strictObject({ uid: z.string().max(64) })
const Released = z.strictObject({ uid: z.string().max(64), attempt: z.string().max(200), at: z.int() })
const Refused = z.strictObject({ uid: z.string().max(64), at: z.int() })

export interface NameState {
  readonly holder: Holder | null
}
export interface Holder {
  readonly uid: string
  readonly attempt: string
  readonly at: number
  /** How often it was claimed for this uid. */
  readonly claims: number
  readonly confirmed: boolean
}

export const names = actor('name', {
  state: (): NameState => ({ holder: null }),
  events: {
    'name.claimed': {
      schema: Claimed,
      reduce: (state: NameState, claim: z.output<typeof Claimed>, ctx: ReduceContext): NameState | Refusal => {
        const { holder } = state
        if (holder !== null && holder.uid !== claim.uid) return ctx.refuse('taken', 'somebody has this name or e-mail address')
        if (holder?.confirmed === true) return state
        ctx.schedule('doubt', { inMs: DOUBT_MS }, 'claim.doubted', {})
        const { uid, attempt } = claim
        return { holder: { uid, attempt, at: Math.max(claim.at, holder?.at ?? 0), claims: (holder?.claims ?? 0) + 1, confirmed: false } } // N4
      },
    },
    'name.released': {
      schema: Released,
      reduce: (state: NameState, { uid, attempt, at }: z.output<typeof Released>, ctx: ReduceContext): NameState => {
        const { holder } = state
        if (holder === null || holder.confirmed || holder.uid !== uid) return state // N2
        if (holder.attempt !== attempt || holder.at !== at || holder.claims > 1) return state // N5
        ctx.cancel('doubt')
        return { holder: null }
      },
    },
    /** The account's answer: no try that began up to `at` will register (N3). A later one may have claimed meanwhile. */
    'name.refused': {
      schema: Refused,
      reduce: (state: NameState, { uid, at }: z.output<typeof Refused>, ctx: ReduceContext): NameState => {
        const { holder } = state
        if (holder === null || holder.confirmed || holder.uid !== uid || holder.at > at) return state // N2, N4
        ctx.cancel('doubt')
        return { holder: null }
      },
    },
    'name.confirmed': {
      schema: Confirmed,
      reduce: (state: NameState, { uid }: z.output<typeof Confirmed>, ctx: ReduceContext): NameState | Refusal => {
        const { holder } = state
        if (holder !== null && holder.uid !== uid) return ctx.refuse('taken', 'somebody else holds this name') // N3 makes this impossible
        ctx.cancel('doubt')
        return { holder: { uid, attempt: holder?.attempt ?? '', at: holder?.at ?? 0, claims: holder?.claims ?? 0, confirmed: true } }
      },
    },
    /** The timer of a claim. */
    'claim.doubted': {
      reduce: (state: NameState, _: unknown, ctx: ReduceContext): NameState => {
        const { holder } = state
        if (holder === null || holder.confirmed) return state
        ctx.send(`user/${holder.uid}`, 'claim.asked', { name: ctx.key, at: holder.at })
        return state
      },
    },
  },
  queries: { holder: (state: NameState) => state.holder?.uid ?? null },
})

/**
 * The one spelling of a name or an e-mail address: compatibility forms, case and outer blanks do not make two of one
 * (Unicode NFKC, UTS 39 says why). Names have no `@`, addresses have one, so both live side by side.
 */
export const normalise = (text: string): string => text.normalize('NFKC').trim().toLowerCase().normalize('NFKC')

/** Whether a name or an address can be held: what `normalise` makes of it is a key of an actor (at most 256 bytes, no control characters, no `/`). */
export function isName(text: string): boolean {
  const name = normalise(text)
  return name !== '' && Buffer.byteLength(name) <= 256 && name.isWellFormed() && !/[\p{Cc}/]/u.test(name)
}
