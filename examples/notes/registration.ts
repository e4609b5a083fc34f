/**
 * Registering, as a walk over three actors (picture and rules: names.ts). May die at any step: a repeat of the same request goes on,
 * and without one the names are free again after a minute.
 */
import { randomUUID } from 'node:crypto'
import { TroupeError, type AppTools } from '../../src/index.ts'
import { normalise } from './names.ts'
import type { Passwords } from './passwords.ts'
import type { Tokens } from './tokens.ts'
import type { Extra } from './user/note.ts'

export interface Registration {
  readonly name: string
  readonly email: string
  readonly password: string
  readonly extra?: Extra
}

export interface RegistrationParts {
  readonly tools: AppTools
  readonly tokens: Tokens
  readonly passwords: Passwords
  readonly now: () => number
}

/** `repeated`: this very request had made the account before. Throws `refused` with reason `taken`, or what a send throws. */
export async function register(
  parts: RegistrationParts,
  { name, email, password, extra }: Registration,
  { attempt = randomUUID(), gone }: { readonly attempt?: string | undefined; readonly gone?: AbortSignal } = {},
): Promise<{ readonly uid: string; readonly repeated: boolean }> {
  const { tools, tokens, passwords, now } = parts
  const both = [normalise(name), normalise(email)]
  const uid = tokens.pseudonym('uid', ...both) // N1
  const at = now()
  await refuseTaken(tools, uid, both) // before the expensive hash, and without writing
  const phc = await passwords.hash(password, gone)
  const claimed: string[] = []
  try {
    for (const held of both) {
      await tools.send(`name/${held}`, 'name.claimed', { uid, attempt, at })
      claimed.push(held)
    }
  } catch (error) {
    // N5. Not waited for beyond its own try: if it fails, the minute of doubt frees the name.
    if (reasonOf(error) === 'taken')
      await Promise.allSettled(claimed.map((held) => tools.send(`name/${held}`, 'name.released', { uid, attempt, at })))
    throw error
  }
  try {
    const account = { name: name.trim(), email: email.trim(), password: phc, attempt, at }
    await tools.send(`user/${uid}`, 'account.registered', extra === undefined ? account : { ...account, extra })
    return { uid, repeated: false }
  } catch (error) {
    // From here on nothing is given back: another try for the same uid may have registered.
    const reason = reasonOf(error)
    if (reason === 'done') return { uid, repeated: true }
    if (reason === 'registered') throw taken()
    if (reason === 'expired') throw new TroupeError('unavailable', 'this registration took too long: try again', { retryAfterMs: 1000 })
    throw error
  }
}

async function refuseTaken(tools: AppTools, uid: string, both: readonly string[]): Promise<void> {
  const holders = await Promise.all(both.map((held) => tools.query(`name/${held}`, 'holder')))
  if (holders.some((holder) => holder !== null && holder !== uid)) throw taken()
}

const taken = (): TroupeError =>
  new TroupeError('refused', 'somebody has this name or e-mail address: log in, or choose another', { reason: 'taken' })

export const reasonOf = (error: unknown): string | undefined => (error instanceof TroupeError ? error.reason : undefined)
