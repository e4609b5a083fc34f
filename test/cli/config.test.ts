/** Flags over TROUPE_* over config file over defaults, seen through `doctor`, which says which ports it tried. */
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { run } from '../../src/cli/program.ts'
import { cleanUp, folder, troupe } from './troupe.ts'

afterAll(cleanUp)

async function clientPort(config: object, env: Record<string, string>, args: readonly string[]): Promise<string> {
  const cwd = folder({ 'troupe.config.json': JSON.stringify(config) })
  const { out, err } = await troupe(['doctor', '--json', '--admin-listen', 'none', ...args], { cwd, env })
  if (out === '') throw new Error(err)
  const { findings } = JSON.parse(out) as { findings: { check: string; found: string }[] }
  return findings.find(({ check }) => check === 'client port')?.found.split(' ')[0] as string
}

describe('precedence', () => {
  const config = { listen: '127.0.0.3:0' }
  const env = { TROUPE_LISTEN: '127.0.0.2:0' }
  test('a flag wins over all', async () => expect(await clientPort(config, env, ['--listen', '127.0.0.1:0'])).toBe('127.0.0.1:0'))
  test('a variable wins over the file', async () => expect(await clientPort(config, env, [])).toBe('127.0.0.2:0'))
  test('the file wins over the default', async () => expect(await clientPort(config, {}, [])).toBe('127.0.0.3:0'))
  test('the default is last', async () => expect(await clientPort({}, {}, [])).toBe('127.0.0.1:7000'))
})

describe('the file', () => {
  const doctor = (text: string, args: readonly string[] = []) =>
    troupe(['doctor', '--json', '--listen', '127.0.0.1:0', ...args], { cwd: folder({ 'troupe.config.json': text }) })

  test.each([
    ['{"lisen": "127.0.0.1:1"}', /there is no key 'lisen'; did you mean 'listen'\?/],
    ['{"admin-listen": "127.0.0.1:1"}', /there is no key 'admin-listen'; did you mean 'adminListen'\?/],
    ['{"listen": ', /troupe\.config\.json is not JSON/],
    ['[]', /must be a JSON object/],
    ['{"json": "yes"}', /json is true or false/],
    ['{"listen": {}}', /listen is a text/],
  ])('%s is refused with 2', async (text, message) => {
    const lines: string[] = []
    const file = join(folder({ 'troupe.config.json': text }), 'troupe.config.json')
    const code = await run(['doctor', '--config', file], {
      out: () => undefined,
      err: (line) => lines.push(line),
      status: () => undefined,
      interactive: false,
    })
    expect(lines).toEqual([expect.stringMatching(message)])
    expect(code).toBe(2)
  })

  test('a wrong limit is refused by name', async () => {
    const cwd = folder({ 'troupe.config.json': '{"option": {"idleMs": 1}}', 'app.ts': 'export default 1' })
    const { code, err } = await troupe(['start', 'app.ts'], { cwd })
    expect([code, err]).toEqual([2, expect.stringContaining('idleMs must be a whole number')])
  })

  test('keys of other commands are known, and of no effect here', async () => {
    const { out } = await doctor('{"cluster": "c", "adminListen": "none", "rate": 5}')
    expect(JSON.parse(out)).toHaveProperty('findings')
    expect(out).not.toContain('admin port')
  })

  test('--config names another; one that is not there is refused', async () => {
    const cwd = folder({ 'other.json': '{"adminListen": "none"}' })
    const { out } = await troupe(['doctor', '--json', '--listen', '127.0.0.1:0', '--config', 'other.json'], { cwd })
    expect(out).not.toContain('admin port')
    expect(await troupe(['doctor', '--config', 'none.json'], { cwd })).toMatchObject({
      code: 2,
      err: expect.stringContaining('none.json') as string,
    })
  })
})
