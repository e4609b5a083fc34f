/** A token that does not name its key is tried with each key of the set that could be meant: a bounded number of them. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose'
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { silentLog } from '../../src/base/log.ts'
import { systemClock as clock } from '../../src/base/system.ts'
import { jwtVerifier, type JwtVerifier } from '../../src/gateway/jwt.ts'

interface Pair {
  readonly jwk: JWK
  sign(claims: Record<string, unknown>, kid?: string): Promise<string>
}

async function pair(): Promise<Pair> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  return {
    jwk: { ...(await exportJWK(publicKey)), alg: 'ES256' },
    sign: (claims, kid) => new SignJWT(claims).setProtectedHeader({ alg: 'ES256', ...(kid !== undefined && { kid }) }).sign(privateKey),
  }
}

let pairs: Pair[]
let stranger: Pair
let server: Server
let served: JWK[] = []
let asked = 0
let verify: JwtVerifier

beforeAll(async () => {
  pairs = await Promise.all(Array.from({ length: 10 }, pair))
  stranger = await pair()
})
beforeEach(async () => {
  asked = 0
  server = createServer((_, response) => {
    asked++
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: served }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  verify = jwtVerifier({ jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }, clock, silentLog)
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})
const of = (at: number): Pair => pairs[at] as Pair

test('whichever of several keys signed it, with or without a kid, or with one that several keys share', async () => {
  served = [0, 1, 2].map((at) => ({ ...of(at).jwk, kid: at === 2 ? 'two' : 'shared' }))
  for (const at of [0, 1, 2]) expect(await verify(await of(at).sign({ sub: 'a' }))).toMatchObject({ sub: 'a' })
  for (const at of [0, 1]) expect(await verify(await of(at).sign({ sub: 'a' }, 'shared'))).toMatchObject({ sub: 'a' })
  expect(asked).toBe(1)
})

test('no key verifies it: unauthenticated, and the key server is not asked each time', async () => {
  served = [0, 1, 2].map((at) => of(at).jwk)
  for (let i = 0; i < 5; i++) expect(await verify(await stranger.sign({ sub: 'a' }))).toMatchObject({ ok: false, code: 'unauthenticated' })
  expect(asked).toBe(1)
})

test('what the right key says counts: an expired token is expired, one for others is not valid', async () => {
  served = [0, 1, 2].map((at) => of(at).jwk)
  expect(await verify(await of(1).sign({ sub: 'a', exp: 1 }))).toMatchObject({ ok: false, code: 'expired' })
  expect(await verify(await of(1).sign({}))).toMatchObject({ ok: false, code: 'unauthenticated' })
})

test('at most eight keys are tried', async () => {
  served = pairs.map(({ jwk }) => jwk)
  expect(await verify(await of(7).sign({ sub: 'a' }))).toMatchObject({ sub: 'a' })
  expect(await verify(await of(8).sign({ sub: 'a' }))).toMatchObject({ ok: false, code: 'unauthenticated' })
})

test('a key of the set that cannot be used keeps none of the others from being tried', async () => {
  served = [{ ...of(0).jwk, x: 'AAAA' }, of(1).jwk, of(2).jwk]
  expect(await verify(await of(2).sign({ sub: 'a' }))).toMatchObject({ sub: 'a' })
})

test('new keys are found though no token names one, half a minute after the last ones', async () => {
  // `jose` reads the wall clock itself.
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    served = [0, 1].map((at) => of(at).jwk)
    expect(await verify(await of(1).sign({ sub: 'a' }))).toMatchObject({ sub: 'a' })
    served = [2, 3].map((at) => of(at).jwk)
    expect(await verify(await of(2).sign({ sub: 'a' }))).toMatchObject({ ok: false, code: 'unauthenticated' })
    vi.setSystemTime(Date.now() + 31_000)
    expect(await verify(await of(2).sign({ sub: 'a' }))).toMatchObject({ sub: 'a' })
    expect(await verify(await of(1).sign({ sub: 'a' }))).toMatchObject({ ok: false, code: 'unauthenticated' })
    expect(asked).toBe(2)
  } finally {
    vi.useRealTimers()
  }
})
