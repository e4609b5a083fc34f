/** Readers that go: a command that prints ends as other tools do, a node goes on. */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { ANY_PORTS, cleanUp, folder, Running, troupe } from './troupe.ts'

afterAll(cleanUp)

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** Runs a command whose standard output or error nobody reads, or is a full disk. */
async function unheard(
  args: readonly string[],
  { cwd, full = false, which = 'out' }: { cwd?: string; full?: boolean; which?: 'out' | 'err' } = {},
): Promise<{ readonly code: number | null; readonly other: string }> {
  const target = full ? openSync('/dev/full', 'w') : ('pipe' as const)
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', which === 'out' ? target : 'pipe', which === 'err' ? target : 'pipe'],
  })
  const [closed, read] = which === 'out' ? [child.stdout, child.stderr] : [child.stderr, child.stdout]
  closed?.destroy()
  let other = ''
  read?.on('data', (data: Buffer) => (other += data.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  if (typeof target === 'number') closeSync(target)
  return { code, other }
}

const FAILING = `
import { actor, app } from 'troupe'
import { defineScenario } from 'troupe/testing'
const user = actor('user', { state: () => ({ times: 0 }), events: { add: { reduce: ({ times }) => ({ times: times + 1 }) } } })
export default defineScenario(app({ actors: { user } }), {
  users: 1,
  operations: { add: ({ user, send }) => send(\`user/\${user}\`, 'add', {}) },
  invariants: { user: { never: ({ times }) => times === 0 } },
})
`

describe('a command that prints ends with the code of a broken pipe, and says nothing', () => {
  test.each([
    [['version']],
    [['--help']],
    [['token', 'alice', '--secret', 'x'.repeat(40)]],
    [['doctor', ...ANY_PORTS]],
    [['simulate', '--seed', '1', '--minutes', '0.1']],
  ])('%j', async (args) => {
    expect(await unheard(args, { cwd: folder({}) })).toEqual({ code: 141, other: '' })
  })

  test('a failure that was found is not told as success', async () => {
    const cwd = folder({ 'scenario.ts': FAILING })
    const args = ['simulate', '--scenario', 'scenario.ts', '--seeds', '1', '--from', '1', '--minutes', '0.1', '--tries', '0']
    expect((await troupe(args, { cwd })).code).toBe(1)
    expect((await unheard(args, { cwd })).code).toBe(141)
  })

  test('also on standard error', async () => {
    expect(await unheard(['sned'], { which: 'err' })).toEqual({ code: 141, other: '' })
  })
})

test('what cannot be written is told in one line', async () => {
  const told = { code: 1, other: expect.stringMatching(/^troupe: cannot write to standard output: [^\n]*ENOSPC[^\n]*\n$/) as string }
  expect(await unheard(['version'], { full: true })).toEqual(told)
  expect(await unheard(['simulate', '--seed', '1', '--minutes', '0.1'], { full: true })).toEqual({ ...told, code: 64 })
})

test('a node goes on when nobody reads its lines, and drains when it is asked', async () => {
  const node = new Running(['start', 'app.ts', '--insecure', ...ANY_PORTS, '--store', 'memory:'], { cwd: folder() })
  node.deafen()
  const [, client] = await node.line('err', /"client":"ws:\/\/(\S+?)".*"serves"/)
  const send = ['send', 'user/alice', 'note.added', '{"text":"x"}', '--url', `http://${client}`]
  expect(await troupe(send)).toMatchObject({ code: 0, out: 'offset 1\n' })
  node.signal('SIGTERM')
  await node.line('err', /has drained/)
  expect(await node.exit).toBe(0)
})
