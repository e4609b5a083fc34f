/** `troupe simulate`: seeds that give the same again, planted bugs of every kind with their exit codes, replay lines that work, wrong use. */
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../../src/cli/program.ts'
import type { Terminal } from '../../src/cli/terminal.ts'
import { cleanUp, folder } from './troupe.ts'

afterAll(cleanUp)

interface Simulated {
  readonly code: number
  readonly out: readonly string[]
  readonly err: readonly string[]
}

async function simulate(...args: readonly string[]): Promise<Simulated> {
  const [out, err]: [string[], string[]] = [[], []]
  const terminal: Terminal = { out: (line) => out.push(line), err: (line) => err.push(line), status: () => undefined, interactive: false }
  const code = await run(['simulate', '--workers', '1', ...args], terminal)
  return { code, out, err }
}

/** The arguments of a command line that was printed. */
const argsOf = (line: string): string[] => line.slice(line.indexOf('troupe simulate') + 'troupe simulate'.length + 1).split(' ')

const json = ({ out }: Simulated): { readonly ok: boolean; readonly command: string; readonly results: { readonly hash: string }[] } =>
  JSON.parse(out[0] as string) as never

/** A scenario of one actor type; the reducer and the operation are the test's. */
const scenario = (
  reduce: string,
  more = '',
  operation = `({ user, draw, send }) => send(\`user/\${user}\`, 'add', { by: draw.whole(1, 9) })`,
): string => `
import { actor, app, view } from 'troupe'
import { defineScenario } from 'troupe/testing'
let made = 0
const user = actor('user', {
  state: () => ({ sum: 0, times: 0 }),
  events: { add: { reduce: (state, { by }: { by: number }, ctx) => ${reduce} } },
  topics: { sum: view((state: { sum: number }) => ${more === '' ? 'state.sum' : more}) },
})
export default defineScenario(app({ actors: { user } }), {
  users: 2,
  operations: { add: ${operation} },
  follow: (user) => [{ actor: \`user/\${user}\`, topic: 'sum' }],
  invariants: { user: { 'the sum is small': ({ sum, times }) => sum <= 9 * times || \`\${sum} after \${times}\` } },
  checks: { 'every user is there': async (world, users) => users.length === 2 },
})
`
const RIGHT = '({ sum: state.sum + by, times: state.times + 1 })'

describe('without a bug', () => {
  test('the built-in app holds; the seed is printed first, the command that repeats it last, and it gives the same again', async () => {
    const args = ['--seed', '5', '--minutes', '0.2']
    const { code, out } = await simulate(...args)
    expect([code, out[0], out.at(-1)]).toEqual([0, 'seed 5', 'troupe simulate --seed 5 --nodes 3 --minutes 0.2'])
    expect(out.join('\n')).toMatch(/transfer +ok \d+/)
    const [once, again, other] = [
      await simulate(...args, '--json'),
      await simulate(...args, '--json'),
      await simulate('--seed', '6', '--minutes', '0.2', '--json'),
    ]
    expect(once.out).toHaveLength(1)
    expect(json(once)).toMatchObject({ ok: true, command: out.at(-1) })
    const [hash] = json(once).results
    expect(json(again).results[0]?.hash).toBe(hash?.hash)
    expect(json(other).results[0]?.hash).not.toBe(hash?.hash)
  })

  test('several seeds on several threads give what each gives alone', async () => {
    const many = json(await simulate('--seeds', '3', '--from', '5', '--minutes', '0.1', '--nodes', '2', '--json', '--workers', '2')).results
    const alone = json(await simulate('--seed', '7', '--minutes', '0.1', '--nodes', '2', '--json')).results
    expect(many).toHaveLength(3)
    expect(many[2]?.hash).toBe(alone[0]?.hash)
  })

  test('an app without a scenario: events are drawn from its schemas, and it is said which are not', async () => {
    const schema = `{ '~standard': { version: 1, vendor: 'test', validate: (value) => (Number.isInteger(value?.by) ? { value } : { issues: [{ message: 'no' }] }),
      jsonSchema: { input: () => ({ type: 'object', properties: { by: { type: 'integer', minimum: 1, maximum: 9 } }, required: ['by'] }) } } }`
    const dir = folder({
      'app.ts': `
import { actor, app } from 'troupe'
export default app({ actors: { user: actor('user', {
  state: () => 0,
  events: { add: { schema: ${schema}, reduce: (state, { by }) => state + by }, tick: { reduce: (state) => state + 1 }, note: { reduce: (state, data: string) => state } },
}) } })`,
    })
    const { code, out } = await simulate(join(dir, 'app.ts'), '--seed', '3', '--minutes', '0.1')
    expect(code).toBe(0)
    expect(out.join('\n')).toContain("not sent: 'note' of 'user': it has no schema")
    expect(out.join('\n')).toMatch(/user add +ok \d+\n/)
    expect(out.join('\n')).toMatch(/user tick +ok \d+\n/)
  })
})

describe('planted bugs', () => {
  test.each([
    ['purity', 'a counter of the process', '({ sum: state.sum + (++made > 3 ? made / 1000 : 0), times: state.times + 1 })'],
    ['invariant', 'a sum that grows too fast', '({ sum: state.sum + (state.times > 2 ? 100 : by), times: state.times + 1 })'],
    ['no-throw', 'a reducer that throws', `{ if (state.times === 3) throw new Error('three'); return ${RIGHT} }`],
  ])('%s: %s: exit 1; the line of the smallest part that still fails makes it fail again', async (property, _, reduce) => {
    const file = join(folder({ 'scenario.ts': scenario(reduce) }), 'scenario.ts')
    const { code, out } = await simulate(file, '--seed', '2', '--minutes', '0.3', '--tries', '40')
    expect([code, out[0]]).toEqual([1, 'seed 2'])
    expect(out).toContain(`seed 2: safety broken: ${property}`)
    const smallest = out.find((line) => line.includes('the smallest again:')) as string
    const whole = out.at(-1) as string
    expect(whole).toBe(`troupe simulate ${file} --seed 2 --nodes 3 --minutes 0.3`)
    const items = out.filter((line) => /^ +[\d.]+ s {2}u\d: add$/.test(line))
    expect(items.length).toBeLessThanOrEqual(8)
    const again = await simulate(...argsOf(property === 'purity' ? whole : smallest), '--tries', '0')
    expect(again.code).toBe(1)
    expect(again.out).toContain(`seed 2: safety broken: ${property}`)
    const done = again.out.flatMap((line) => [...line.matchAll(/^ {2}add .*?(\d+)$/g)]).reduce((sum, [, count]) => sum + Number(count), 0)
    if (property !== 'purity') expect(done).toBeLessThanOrEqual(items.length)
  })

  test('a view that is never the same: it does not come to rest: exit 2', async () => {
    const file = join(folder({ 'scenario.ts': scenario(RIGHT, 'Math.random() + state.sum') }), 'scenario.ts')
    const { code, out } = await simulate(file, '--seed', '2', '--minutes', '0.1', '--tries', '0', '--nodes', '2')
    expect(code).toBe(2)
    expect(out).toContain('seed 2: liveness broken: newest-state')
  })

  test('a scenario that draws from elsewhere: two runs of a seed differ: exit 3', async () => {
    const operation = `({ user, send }) => send(\`user/\${user}\`, 'add', { by: ++made % 9 })`
    const file = join(folder({ 'scenario.ts': scenario(RIGHT, '', operation) }), 'scenario.ts')
    const { code, out } = await simulate(file, '--seed', '50', '--minutes', '0.1', '--nodes', '2')
    expect(code).toBe(3)
    expect(out.join('\n')).toContain('seed 50: nondeterminism broken: determinism')
    // Others are run once.
    expect((await simulate(file, '--seed', '51', '--minutes', '0.1', '--nodes', '2')).code).toBe(0)
  })

  test('the first seed that fails ends it; with --keep-going all are run', async () => {
    const reduce = '({ sum: state.sum + 100, times: state.times + 1 })'
    const file = join(folder({ 'scenario.ts': scenario(reduce) }), 'scenario.ts')
    const args = [file, '--seeds', '3', '--from', '1', '--minutes', '0.1', '--nodes', '1', '--tries', '0', '--json']
    const [stopped, all] = [await simulate(...args), await simulate(...args, '--keep-going')]
    expect([stopped.code, json(stopped).results.length]).toEqual([1, 1])
    expect([all.code, json(all).results.length]).toEqual([1, 3])
  })
})

describe('wrong use: exit 64 and one line', () => {
  const dir = folder({
    'no-app.ts': 'export default 5',
    'no-events.ts': `import { actor, app } from 'troupe'
export default app({ actors: { user: actor('user', { state: () => 0, events: { add: { reduce: (state, by: number) => state + by } } }) } })`,
    'no-begin.ts': scenario(RIGHT).replace('users: 2,', "users: 2, begin: async () => { throw new Error('of the test') },"),
    'throws.ts': scenario(RIGHT, '', "() => { throw new Error('of the test') }"),
    'wrong.ts': scenario(RIGHT).replace('users: 2,', 'user: 2,'),
    'exits.ts': 'process.exit(0)',
    'waits.ts': 'await new Promise(() => undefined)',
    'unknown.json': '{ "noodes": 3 }',
    'bad.json': '{ "nodes": "many" }',
  })
  test.each([
    [['--seed', '-1'], /--seed.*whole number/],
    [['--minutes', '0'], /--minutes.*above 0/],
    [['--seed', '1', '--seeds', '2'], /cannot be used with/],
    [['--only', '1'], /--only needs the --seed/],
    [['--only', '3-1', '--seed', '1'], /'3-1' is not a number or a range/],
    [['--nodez', '3'], /unknown option '--nodez'/],
    [['--option', 'idle=1'], /idle/],
    [['nowhere.ts'], /there is no app module .*nowhere\.ts/],
    [[join(dir, 'no-app.ts')], /exports neither an app nor a scenario/],
    [['--scenario', join(dir, 'no-app.ts')], /does not 'export default defineScenario/],
    [[join(dir, 'no-events.ts')], /no event of this app can be drawn \('add' of 'user': it has no schema\): write what users do/],
    [[join(dir, 'no-begin.ts')], /the beginning of u1 failed: of the test/],
    [[join(dir, 'throws.ts')], /operation 'add' threw: .*of the test/],
    [[join(dir, 'wrong.ts')], /there is no option 'user'/],
    [[join(dir, 'exits.ts')], /do not load: its thread ended with code 0: process\.exit/],
    [[join(dir, 'waits.ts')], /do not load: its thread ended: an await that never settles/],
    [['--config', '/nope.json'], /cannot read the config file \/nope\.json/],
    [['--config', join(dir, 'unknown.json')], /there is no key 'noodes'/],
    [['--config', join(dir, 'bad.json')], /bad\.json: .*whole number/],
    [['--from', '4294967290', '--seeds', '20'], /let --from be at most 4294967277/],
    [['--json', '--seeds', '100001'], /--json takes at most 100000 --seeds/],
  ])('%j', async (args, message) => {
    const { code, err } = await simulate('--minutes', '0.1', ...args)
    expect([code, err.length]).toEqual([64, 1])
    expect(err[0]).toMatch(message)
  })

  test('what nobody expects is no verdict either', async () => {
    const terminal: Terminal = {
      out: () => {
        throw new TypeError('of the test')
      },
      err: () => undefined,
      status: () => undefined,
      interactive: false,
    }
    expect(await run(['simulate', '--minutes', '0.1'], terminal)).toBe(64)
    expect(await run(['--nope', 'simulate'], terminal)).toBe(64)
  })

  test.skipIf(!existsSync('/dev/full'))('nor is a disk that is full', () => {
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
    const full = openSync('/dev/full', 'w')
    const { status, stderr } = spawnSync(process.execPath, [main, 'simulate', '--seed', '1', '--minutes', '0.02', '--nodes', '1'], {
      stdio: ['ignore', full, 'pipe'],
    })
    closeSync(full)
    expect([status, stderr.toString()]).toEqual([64, expect.stringContaining('ENOSPC')])
  })

  test('the last seed that there is can be named again', async () => {
    const { code, out } = await simulate('--from', '4294967296', '--seeds', '1', '--minutes', '0.02', '--nodes', '1')
    expect([code, out.at(-1)]).toEqual([0, 'troupe simulate --seed 4294967296 --nodes 1 --minutes 0.02'])
    expect((await simulate(...argsOf(out.at(-1) as string))).code).toBe(0)
  })
})
