/** The judge of HMAC tokens beside `jose`: what it decides, `jose` decides too, and alike. */
import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { errors, jwtVerify, type JWTPayload } from 'jose'
import { expect, test } from 'vitest'
import { hmacJudge } from '../../src/gateway/jwt-hmac.ts'

const SECRET = 'a-secret-of-thirty-two-bytes-or-more'
const KEY = new TextEncoder().encode(SECRET)
const NOW_MS = 1_700_000_000_500
const NOW = Math.floor(NOW_MS / 1000)

interface Given {
  readonly header: string
  readonly payload: string
  readonly signer: 'HS256' | 'HS384' | 'HS512' | 'nobody'
  readonly secret: string
  readonly change: (token: string) => string
}
interface Checks {
  readonly algorithms: string[]
  readonly issuer: string | undefined
  readonly audience: string | undefined
}

const b64 = (text: string): string => Buffer.from(text).toString('base64url')

function tokenOf({ header, payload, signer, secret, change }: Given): string {
  const signed = `${header}.${payload}`
  if (signer === 'nobody') return change(`${signed}.`)
  return change(
    `${signed}.${createHmac(`sha${signer.slice(2)}`, secret)
      .update(signed)
      .digest('base64url')}`,
  )
}

type Truth = { readonly claims: JWTPayload } | { readonly error: 'expired' | 'forged' | 'other' }

async function truth(token: string, { algorithms, issuer, audience }: Checks): Promise<Truth> {
  try {
    const { payload } = await jwtVerify(token, KEY, {
      algorithms,
      currentDate: new Date(NOW_MS),
      ...(issuer !== undefined && { issuer }),
      ...(audience !== undefined && { audience }),
    })
    return { claims: payload }
  } catch (error) {
    if (error instanceof errors.JWTExpired) return { error: 'expired' }
    return { error: error instanceof errors.JWSSignatureVerificationFailed ? 'forged' : 'other' }
  }
}

/** What the judge said, if it said anything that `jose` does not say. */
async function expectAlike(token: string, checks: Checks): Promise<string> {
  const verdict = hmacJudge({ secret: SECRET, ...checks })(token, NOW_MS)
  const due = await truth(token, checks)
  if (verdict === 'unclear') return 'unclear'
  if (typeof verdict === 'string') {
    expect(due).toEqual({ error: verdict })
    return verdict
  }
  expect(due).toEqual({ claims: verdict })
  return 'valid'
}

const time = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -2, max: 2 }).map((off) => NOW + off) },
  fc.constantFrom<unknown>(0, -1, NOW + 0.4, NOW + 0.6, NOW - 0.4, '1800000000', null, true, 1e300, [NOW], {}),
)
const audience = fc.constantFrom<unknown>('us', 'them', ['us'], ['them', 'us'], ['them'], [], [['us']], null, 7, { us: true }, [null])
const claims = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record(
      {
        sub: fc.constantFrom<unknown>('alice', '', 7, 'ålice\u{1f600}'),
        iss: fc.constantFrom<unknown>('me', 'you', ['me'], null),
        aud: audience,
        exp: time,
        nbf: time,
        iat: time,
        __proto__: fc.constant({ exp: 1 }),
        extra: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
  },
  { weight: 1, arbitrary: fc.jsonValue() },
)
const payload = fc.oneof(
  { weight: 12, arbitrary: claims.map((value) => b64(JSON.stringify(value))) },
  fc.constantFrom(
    '',
    b64('{'),
    b64('\ufeff{"sub":"a"}'),
    b64('{"exp":1e999}'),
    b64('{"sub":"a","sub":"b"}'),
    b64('{"__proto__":{"exp":1}}'),
  ),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
  fc.constant(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]).toString('base64url')),
)
const header = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('HS256', 'HS384', 'HS512').map((alg) => b64(JSON.stringify({ alg, typ: 'JWT' }))) },
  fc
    .constantFrom<unknown>('none', 'None', 'hs256', '', 'RS256', 256, null, ['HS256'], 'toString')
    .map((alg) => b64(JSON.stringify({ alg }))),
  fc
    .constantFrom<unknown>([], ['b64'], ['exp'], ['x'], null, 'b64', ['b64', 'b64'])
    .chain((crit) =>
      fc.constantFrom({}, { b64: true }, { b64: false }, { x: 1 }).map((more) => b64(JSON.stringify({ alg: 'HS256', crit, ...more }))),
    ),
  fc.constantFrom('', b64('[]'), b64('null'), b64('"HS256"'), b64('{}'), b64('\ufeff{"alg":"HS256"}'), b64('{"alg":"none","alg":"HS256"}')),
  fc.constantFrom('{"alg":"HS256","b64":false}', '{"alg":"HS256","__proto__":{"crit":["x"]}}', ' {"alg" : "HS256"} ').map(b64),
)

type Change = (token: string) => string
const at = (token: string, where: number): number => Math.floor(where * token.length)
const change = fc.oneof(
  { weight: 10, arbitrary: fc.constant<Change>((token) => token) },
  fc
    .tuple(
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.constantFrom('A', 'x', '-', '_', '.', '=', '+', '/', ' ', '\n', '\u0000', 'é', '😀'),
    )
    .chain(([where, unit]) =>
      fc.constantFrom<Change>(
        (token) => token.slice(0, at(token, where)) + unit + token.slice(at(token, where) + 1),
        (token) => token.slice(0, at(token, where)) + unit + token.slice(at(token, where)),
        (token) => token.slice(0, at(token, where)),
      ),
    ),
  fc.constantFrom<Change>(
    // The last letter of a signature has bits that mean nothing: other letters, the same bytes.
    (token) => token.slice(0, -1) + String.fromCharCode(token.charCodeAt(token.length - 1) + 1),
    (token) => `${token}=`,
    (token) => `${token}==`,
    (token) => `${token}\n`,
    (token) => ` ${token}`,
    (token) => `${token}.`,
    (token) => `${token}.x`,
    (token) => token.replace('.', '=.'),
    (token) => token.slice(0, token.lastIndexOf('.') + 1),
    (token) => token.slice(0, -4),
    (token) => `${token}AAAA`,
  ),
)
const given: fc.Arbitrary<Given> = fc.record({
  header,
  payload,
  signer: fc.constantFrom('HS256', 'HS384', 'HS512', 'nobody'),
  secret: fc.oneof({ weight: 8, arbitrary: fc.constant(SECRET) }, fc.constantFrom('x', '', `${SECRET}\u0000`)),
  change,
})
/** The signer that the header names, mostly: else hardly a token would hold. */
const fitting = fc
  .tuple(given, fc.constantFrom('HS256', 'HS384', 'HS512'))
  .map(([one, alg]): Given => ({ ...one, header: b64(JSON.stringify({ alg })), signer: alg as Given['signer'] }))
const checks: fc.Arbitrary<Checks> = fc.record({
  algorithms: fc.constantFrom(['HS256'], ['HS256', 'HS384', 'HS512'], ['HS512'], ['HS256', 'none'], []),
  issuer: fc.constantFrom(undefined, undefined, 'me'),
  audience: fc.constantFrom(undefined, undefined, 'us'),
})

test('no token is decided otherwise than by jose', async () => {
  const said = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(fc.oneof(given, fitting), checks, async (one, which) => {
      const verdict = await expectAlike(tokenOf(one), which)
      said.set(verdict, (said.get(verdict) ?? 0) + 1)
    }),
    { numRuns: 3_000 },
  )
  // The test has seen something.
  for (const verdict of ['valid', 'expired', 'forged', 'unclear']) expect(said.get(verdict), verdict).toBeGreaterThan(20)
})

test('what signers write is decided, not left to jose', async () => {
  const some: Checks = { algorithms: ['HS256', 'HS384', 'HS512'], issuer: 'me', audience: 'us' }
  for (const alg of ['HS256', 'HS384', 'HS512'] as const) {
    const one = (claims: object, secret = SECRET): string =>
      tokenOf({
        header: b64(`{"alg":"${alg}","typ":"JWT","kid":"1"}`),
        payload: b64(JSON.stringify(claims)),
        signer: alg,
        secret,
        change: (t) => t,
      })
    const good = { sub: 'a', iss: 'me', aud: ['them', 'us'], iat: NOW, nbf: NOW, exp: NOW + 1 }
    expect(await expectAlike(one(good), some)).toBe('valid')
    expect(await expectAlike(one({ ...good, exp: NOW }), some)).toBe('expired')
    expect(await expectAlike(one(good, 'another secret'), some)).toBe('forged')
    expect(await expectAlike(`${one(good)}=`, some)).toBe('unclear')
  }
})

test('a header that was good once helps no other token', () => {
  const judge = hmacJudge({ secret: SECRET, algorithms: ['HS256'], issuer: undefined, audience: undefined })
  const head = b64('{"alg":"HS256"}')
  const one = { header: head, payload: b64('{"sub":"a"}'), signer: 'HS256', secret: SECRET, change: (t: string) => t } as const
  expect(judge(tokenOf(one), NOW_MS)).toEqual({ sub: 'a' })
  expect(judge(tokenOf({ ...one, secret: 'x' }), NOW_MS)).toBe('forged')
  expect(judge(tokenOf({ ...one, signer: 'HS384' }), NOW_MS)).toBe('forged')
  expect(judge(tokenOf({ ...one, header: b64('{"alg":"none"}'), signer: 'nobody' }), NOW_MS)).toBe('unclear')
  expect(judge(tokenOf({ ...one, header: b64('{"alg":"HS384"}'), signer: 'HS384' }), NOW_MS)).toBe('unclear')
})
