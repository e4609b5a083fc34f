/** `authenticate: { jwt: … }` (RFC 7519). */
import { exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { jwtVerifier } from '../../src/gateway/jwt.ts'

const secret = 'a-secret-of-thirty-two-bytes-or-more'
const key = new TextEncoder().encode(secret)
const token = (claims: Record<string, unknown>, alg = 'HS256'): Promise<string> => new SignJWT(claims).setProtectedHeader({ alg }).sign(key)
const future = Math.floor(Date.now() / 1000) + 1_000

test('a good token gives sub, actor, expiry and claims', async () => {
  const verify = jwtVerifier({ secret, issuer: 'me', audience: 'us' })
  expect(await verify(await token({ sub: 'alice', exp: future, iss: 'me', aud: 'us' }))).toEqual({
    sub: 'alice',
    actor: 'user/alice',
    expiresAt: future * 1000,
    claims: { sub: 'alice', exp: future, iss: 'me', aud: 'us' },
  })
})

test('what does not hold is a failure: expired, foreign, wrong issuer or algorithm, no sub, nonsense', async () => {
  const verify = jwtVerifier({ secret, issuer: 'me' })
  expect(await verify(await token({ sub: 'a', iss: 'me', exp: 1 }))).toMatchObject({ ok: false, code: 'expired' })
  const foreign = await new SignJWT({ sub: 'a', iss: 'me' }).setProtectedHeader({ alg: 'HS256' }).sign(new Uint8Array(32))
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"a","iss":"me"}').toString('base64url')}.`
  for (const bad of [
    foreign,
    await token({ sub: 'a', iss: 'you' }),
    await token({ iss: 'me' }),
    await token({ sub: 'a', iss: 'me' }, 'HS512'),
    none,
    'x',
    '',
  ])
    expect(await verify(bad)).toMatchObject({ ok: false, code: 'unauthenticated' })
})

test('the actor comes from claims', async () => {
  const verify = jwtVerifier({ secret, actor: 'org/{tenant}' })
  expect(await verify(await token({ sub: 'a', tenant: 7 }))).toMatchObject({ actor: 'org/7' })
  for (const claims of [{ sub: 'a' }, { sub: 'a', tenant: { x: 1 } }])
    expect(await verify(await token(claims))).toMatchObject({ ok: false, code: 'unauthenticated' })
})

test('a public key, for each algorithm that fits it', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const verify = jwtVerifier({ publicKey: await exportSPKI(publicKey) })
  const good = await new SignJWT({ sub: 'alice' }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey)
  for (let i = 0; i < 2; i++) expect(await verify(good)).toMatchObject({ sub: 'alice' })
  // The public key as an HMAC secret: the old trick.
  const forged = await new SignJWT({ sub: 'a' })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(await exportSPKI(publicKey)))
  expect(await verify(forged)).toMatchObject({ ok: false, code: 'unauthenticated' })
})

test('exactly one source of keys', () => {
  expect(() => jwtVerifier({})).toThrow('exactly one')
  expect(() => jwtVerifier({ secret, jwksUrl: 'https://x' })).toThrow('exactly one')
})
