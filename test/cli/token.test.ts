import { jwtVerify } from 'jose'
import { afterAll, describe, expect, test } from 'vitest'
import { run } from '../../src/cli/program.ts'
import { cleanUp } from './troupe.ts'

afterAll(cleanUp)

const SECRET = 'a secret of at least thirty-two bytes'

async function token(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string[]; readonly err: string[] }> {
  const out: string[] = []
  const err: string[] = []
  const code = await run(['token', ...args], {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    status: () => undefined,
    interactive: false,
  })
  return { code, out, err }
}

describe('token', () => {
  test('signs what the flags say', async () => {
    const { code, out, err } = await token(
      'alice',
      '--secret',
      SECRET,
      '--expires-in',
      '2h',
      '--claims',
      '{"admin":true}',
      '--issuer',
      'i',
      '--audience',
      'a',
      '--json',
    )
    expect([code, err]).toEqual([0, []])
    const { token: text, expiresAt } = JSON.parse(out[0] as string) as { token: string; expiresAt: number }
    const { payload, protectedHeader } = await jwtVerify(text, new TextEncoder().encode(SECRET), {
      issuer: 'i',
      audience: 'a',
      algorithms: ['HS256'],
    })
    expect(protectedHeader.alg).toBe('HS256')
    expect(payload).toMatchObject({ sub: 'alice', admin: true, exp: expiresAt / 1000 })
    expect((payload.exp as number) - (payload.iat as number)).toBe(7200)
  })

  test('a claim cannot take the place of the user', async () => {
    const { out } = await token('alice', '--secret', SECRET, '--claims', '{"sub":"root"}')
    expect((await jwtVerify(out[0] as string, new TextEncoder().encode(SECRET))).payload.sub).toBe('alice')
  })

  test('a short secret is signed with, and warned of', async () => {
    const { code, err } = await token('alice', '--secret', 'short')
    expect(code).toBe(0)
    expect(err).toEqual([expect.stringContaining('production needs at least 32')])
  })

  test('an actor in place of a user, or claims that are none, are refused', async () => {
    expect(await token('user/alice', '--secret', SECRET)).toMatchObject({ code: 2, err: [expect.stringContaining('as in alice')] })
    expect(await token('alice', '--secret', SECRET, '--claims', '[]')).toMatchObject({
      code: 2,
      err: [expect.stringContaining('JSON object')],
    })
  })
})
