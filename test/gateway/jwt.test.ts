/** `authenticate: { jwt: … }` (RFC 7519). */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { silentLog, type LogFields } from '../../src/base/log.ts'
import { systemClock as clock } from '../../src/base/system.ts'
import { jwtVerifier } from '../../src/gateway/jwt.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const secret = 'a-secret-of-thirty-two-bytes-or-more'
const key = new TextEncoder().encode(secret)
const token = (claims: Record<string, unknown>, alg = 'HS256'): Promise<string> => new SignJWT(claims).setProtectedHeader({ alg }).sign(key)
const future = Math.floor(Date.now() / 1000) + 1_000

test('a good token gives sub, actor, expiry and claims', async () => {
  const verify = jwtVerifier({ secret, issuer: 'me', audience: 'us' }, clock)
  expect(await verify(await token({ sub: 'alice', exp: future, iss: 'me', aud: 'us' }))).toEqual({
    sub: 'alice',
    actor: 'user/alice',
    expiresAt: future * 1000,
    claims: { sub: 'alice', exp: future, iss: 'me', aud: 'us' },
  })
})

test('what does not hold is a failure: expired, foreign, wrong issuer or algorithm, no sub, nonsense', async () => {
  const verify = jwtVerifier({ secret, issuer: 'me' }, clock)
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
  const verify = jwtVerifier({ secret, actor: 'org/{tenant}' }, clock)
  expect(await verify(await token({ sub: 'a', tenant: 7 }))).toMatchObject({ actor: 'org/7' })
  for (const claims of [{ sub: 'a' }, { sub: 'a', tenant: { x: 1 } }])
    expect(await verify(await token(claims))).toMatchObject({ ok: false, code: 'unauthenticated' })
})

test('a public key, for each algorithm that fits it', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const verify = jwtVerifier({ publicKey: await exportSPKI(publicKey) }, clock)
  const good = await new SignJWT({ sub: 'alice' }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey)
  for (let i = 0; i < 2; i++) expect(await verify(good)).toMatchObject({ sub: 'alice' })
  // The public key as an HMAC secret: the old trick.
  const forged = await new SignJWT({ sub: 'a' })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(await exportSPKI(publicKey)))
  expect(await verify(forged)).toMatchObject({ ok: false, code: 'unauthenticated' })
})

test('with a secret the outcome is there at once: valid, expired, forged', async () => {
  const verify = jwtVerifier({ secret }, clock)
  expect(verify(await token({ sub: 'alice' }))).toMatchObject({ sub: 'alice' })
  expect(verify(await token({ sub: 'alice', exp: 1 }))).toMatchObject({ ok: false, code: 'expired' })
  const foreign = await new SignJWT({ sub: 'a' }).setProtectedHeader({ alg: 'HS256' }).sign(new Uint8Array(32))
  expect(verify(foreign)).toMatchObject({ ok: false, code: 'unauthenticated' })
})

test('the clock that is given decides what has expired, with a secret and with a key', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const at = new VirtualClock(1_000_000)
  const bySecret = jwtVerifier({ secret }, at)
  const byKey = jwtVerifier({ publicKey: await exportSPKI(publicKey) }, at)
  const claims = { sub: 'a', exp: 1_010, nbf: 1_000 }
  const tokens = [
    [bySecret, await token(claims)],
    [byKey, await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(privateKey)],
  ] as const
  at.jumpWall(-1)
  for (const [verify, text] of tokens) expect(await verify(text)).toMatchObject({ ok: false, code: 'unauthenticated' })
  at.jumpWall(1)
  for (const [verify, text] of tokens) expect(await verify(text)).toMatchObject({ sub: 'a' })
  at.jumpWall(9_999)
  for (const [verify, text] of tokens) expect(await verify(text)).toMatchObject({ sub: 'a' })
  at.jumpWall(1)
  for (const [verify, text] of tokens) expect(await verify(text)).toMatchObject({ ok: false, code: 'expired' })
})

test('a token whose algorithm is not that of the key is not valid', async () => {
  const [rsa, ec] = [await generateKeyPair('RS256', { extractable: true }), await generateKeyPair('ES256')]
  const verify = jwtVerifier({ publicKey: await exportSPKI(rsa.publicKey) }, clock)
  const sign = (alg: string, by: typeof ec): Promise<string> => new SignJWT({ sub: 'a' }).setProtectedHeader({ alg }).sign(by.privateKey)
  for (let i = 0; i < 2; i++) expect(await verify(await sign('ES256', ec))).toMatchObject({ ok: false, code: 'unauthenticated' })
  expect(await verify(await sign('RS256', rsa))).toMatchObject({ sub: 'a' })
})

test('a sub or claim that cannot be the name of an actor is nobody’s', async () => {
  const verify = jwtVerifier({ secret, actor: 'org/{tenant}' }, clock)
  for (const claims of [
    { sub: 'a', tenant: 'x/y' },
    { sub: 'a', tenant: '' },
    { sub: 'a', tenant: 'k'.repeat(257) },
    { sub: 'a\u0000b', tenant: 7 },
  ])
    expect(await verify(await token(claims))).toMatchObject({ ok: false, code: 'unauthenticated' })
  expect(await jwtVerifier({ secret }, clock)(await token({ sub: 'a/b' }))).toMatchObject({ ok: false, code: 'unauthenticated' })
})

test('trouble with the key server is `unavailable`, and told in the log: nobody is logged out for it', async () => {
  const [one, two] = [await generateKeyPair('RS256', { extractable: true }), await generateKeyPair('RS256')]
  const keys = JSON.stringify({ keys: [{ ...(await exportJWK(one.publicKey)), kid: 'one', alg: 'RS256' }] })
  const sign = (kid: string, by: typeof one): Promise<string> =>
    new SignJWT({ sub: 'a' }).setProtectedHeader({ alg: 'RS256', kid }).sign(by.privateKey)
  let answer: { readonly status: number; readonly body: string } | null = null
  const server = createServer((request, response) => {
    if (answer === null) request.socket.destroy()
    else response.writeHead(answer.status).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const lines: string[] = []
    const log = { ...silentLog, warn: (_: LogFields, message: string) => void lines.push(message) }
    const verify = jwtVerifier({ jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks` }, clock, log)
    for (const trouble of [null, { status: 503, body: 'down' }, { status: 200, body: '<html>' }, { status: 200, body: '{}' }]) {
      answer = trouble
      expect(await verify(await sign('one', one))).toMatchObject({ ok: false, code: 'unavailable' })
    }
    expect(lines).toHaveLength(4)
    answer = { status: 200, body: keys }
    expect(await verify(await sign('one', one))).toMatchObject({ sub: 'a' })
    // A new key, before `jose` asks again.
    expect(await verify(await sign('two', two))).toMatchObject({ ok: false, code: 'unavailable' })
    expect(await verify(await sign('one', two))).toMatchObject({ ok: false, code: 'unauthenticated' })
    expect(lines).toHaveLength(4)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('exactly one source of keys, and no empty secret', () => {
  expect(() => jwtVerifier({ secret: '' }, clock)).toThrow('empty')
  expect(() => jwtVerifier({}, clock)).toThrow('exactly one')
  expect(() => jwtVerifier({ publicKey: 'ssh-rsa AAAA' }, clock)).toThrow('publicKey')
  expect(() => jwtVerifier({ secret, actor: '{sub}' }, clock)).toThrow('type/key')
  expect(() => jwtVerifier({ secret, jwksUrl: 'https://x' }, clock)).toThrow('exactly one')
})
