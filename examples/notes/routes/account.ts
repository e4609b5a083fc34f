/** POST /register, /login, /logout, /password and GET /validate. */
import type { Hono } from 'hono'
import { z } from 'zod'
import { TroupeError } from '../../../src/index.ts'
import { normalise } from '../names.ts'
import { register } from '../registration.ts'
import { ExtraFields } from '../user/note.ts'
import { bodyOf, json, keyOf, personOf, type RouteParts } from './respond.ts'

/** NIST SP 800-63B: at least 8 characters, long ones welcome, no rules of composition. */
const Password = z.string().min(8, 'a password has at least 8 characters').max(256)
const Name = z
  .string()
  .trim()
  .min(1)
  .max(64)
  .regex(/^[^\p{C}\p{Z}@/][^\p{C}@/]*$/u, 'a name has no @, no / and no control characters')
const Device = z.string().max(100)

const Register = z.strictObject({
  name: Name,
  email: z.email().max(200),
  password: Password,
  extra: ExtraFields.exactOptional(),
  device: Device.exactOptional(),
})
const Login = z
  .strictObject({
    name: z.string().max(64).exactOptional(),
    email: z.string().max(200).exactOptional(),
    password: z.string().max(256),
    device: Device.exactOptional(),
  })
  .refine(({ name, email }) => (name === undefined) !== (email === undefined), { message: 'give a name or an e-mail address' })
const Change = z.strictObject({ password: z.string().max(256), newPassword: Password })

export function accountRoutes(http: Hono, parts: RouteParts): void {
  const { tools, tokens, attempts, config, now } = parts

  http.post(
    '/register',
    json(async (c) => {
      const { device, ...wanted } = await bodyOf(c, Register)
      const { uid, repeated } = await register(parts, wanted, { attempt: keyOf(c), gone: c.req.raw.signal })
      // A repeat of the request that made the account opens a session only if it knows the password too.
      if (repeated && !(await check(parts, uid, wanted.password, c.req.raw.signal)).ok) throw wrong()
      return { name: wanted.name, ...(await openSession(parts, uid, device)) }
    }),
  )

  http.post(
    '/login',
    json(async (c) => {
      const { name, email, password, device } = await bodyOf(c, Login)
      const who = normalise(name ?? email ?? '')
      const waitMs = attempts.take(who)
      if (waitMs > 0) throw new TroupeError('rate_limited', 'too many tries for this name: wait', { retryAfterMs: waitMs })
      const uid = /^[^\p{C}/]{1,200}$/u.test(who) ? ((await tools.query(`name/${who}`, 'holder')) as string | null) : null
      const { ok } = await check(parts, uid ?? tokens.pseudonym('nobody', who), password, c.req.raw.signal)
      if (uid === null || !ok) throw wrong()
      attempts.giveBack(who)
      return openSession(parts, uid, device)
    }),
  )

  http.post(
    '/logout',
    json(async (c) => {
      const { uid, session } = await personOf(c, parts)
      await tools.send(`user/${uid}`, 'session.closed', { hash: session })
      return {}
    }),
  )

  http.post(
    '/password',
    json(async (c) => {
      const { uid, name, session } = await personOf(c, parts)
      const { password, newPassword } = await bodyOf(c, Change)
      const who = normalise(name)
      const waitMs = attempts.take(who)
      if (waitMs > 0) throw new TroupeError('rate_limited', 'too many tries for this name: wait', { retryAfterMs: waitMs })
      const { ok, version } = await check(parts, uid, password, c.req.raw.signal)
      if (!ok) throw wrong()
      attempts.giveBack(who)
      const changed = { password: await parts.passwords.hash(newPassword, c.req.raw.signal), from: version, keep: session }
      await tools.send(`user/${uid}`, 'password.changed', changed)
      return {}
    }),
  )

  http.get(
    '/validate',
    json(async (c) => {
      const { uid, name, expiresAt } = await personOf(c, parts)
      return { valid: true, uid, name, expiresAt }
    }),
  )

  async function openSession({ traffic }: RouteParts, uid: string, device: string | undefined): Promise<object> {
    const expiresAt = now() + config.sessionMs
    const { token, session } = tokens.person(uid, expiresAt)
    await tools.send(`user/${uid}`, 'session.opened', { hash: session, expiresAt, ...(device !== undefined && { device }) })
    traffic.seen(uid)
    return { uid, token, expiresAt }
  }
}

/** Hashes and compares, and takes as long for an account that does not exist. */
async function check(
  { tools, tokens, passwords }: RouteParts,
  uid: string,
  password: string,
  gone: AbortSignal,
): Promise<{ readonly ok: boolean; readonly version: number }> {
  const known = (await tools.query(`user/${uid}`, 'salt')) as string | null
  const salt = known ?? passwords.salt(Buffer.from(tokens.pseudonym('salt', uid)))
  const phc = await passwords.rehash(password, salt, gone)
  return (await tools.query(`user/${uid}`, 'verify', { password: phc })) as { readonly ok: boolean; readonly version: number }
}

/** One answer for a wrong name and a wrong password: it says nothing of which accounts there are. */
const wrong = (): TroupeError => new TroupeError('unauthenticated', 'the name or the password is wrong')
