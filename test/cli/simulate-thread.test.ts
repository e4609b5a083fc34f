/** A thread of `troupe simulate`: whatever becomes of it, and whenever, whoever waits for it hears of it. */
import { EventEmitter } from 'node:events'
import { afterAll, describe, expect, test } from 'vitest'
import { join } from 'node:path'
import { runSeeds } from '../../src/cli/simulate/pool.ts'
import { Thread, type WorkerPort } from '../../src/cli/simulate/thread.ts'
import type { FromWorker, SeedAsked, SeedResult } from '../../src/cli/simulate/worker.ts'
import { VirtualTime } from '../../src/testing/virtual-time.ts'
import { cleanUp, folder } from './troupe.ts'

afterAll(cleanUp)

class Port extends EventEmitter {
  readonly asked: number[] = []
  terminated = 0

  postMessage({ seed }: SeedAsked): void {
    this.asked.push(seed)
  }

  terminate(): Promise<number> {
    this.terminated++
    return Promise.resolve(1)
  }

  says(message: FromWorker): void {
    this.emit('message', message)
  }
}

const PATIENCE_MS = 300_000
const READY: FromWorker = { kind: 'ready', about: { from: 'sample', operations: [], invariants: 0, checks: 0, left: [] } }
const result = (seed: number): SeedResult => ({
  seed,
  violation: null,
  hash: 'h',
  virtualMs: 1,
  operations: {},
  faults: {},
  lines: [],
  smallest: null,
})
const asked = (seed: number): SeedAsked => ({ seed, nodes: 1, minutes: 1, only: null, options: {}, triesMax: 0 })

function starting(): { readonly port: Port; readonly time: VirtualTime; readonly started: Promise<Thread> } {
  const [port, time] = [new Port(), new VirtualTime('1')]
  const started = Thread.start(port as WorkerPort, { clock: time, patienceMs: PATIENCE_MS })
  started.catch(() => undefined)
  return { port, time, started }
}

async function running(): Promise<{ readonly port: Port; readonly time: VirtualTime; readonly thread: Thread }> {
  const { port, time, started } = starting()
  port.says(READY)
  return { port, time, thread: await started }
}

function pass(time: VirtualTime, ms: number): void {
  const until = time.mono() + ms
  while (time.step(until)) continue
}

describe('while it loads', () => {
  test.each<[string, (port: Port, time: VirtualTime) => void, RegExp]>([
    ['it exits', (port) => port.emit('exit', 7), /do not load: its thread ended with code 7: process\.exit/],
    ['it awaits what never settles', (port) => port.emit('exit', 13), /an await that never settles/],
    ['it throws', (port) => port.emit('error', new Error('of the test')), /an error that nobody caught: .*of the test/],
    ['it is silent', (_, time) => pass(time, PATIENCE_MS), /no sign of life in 300 s/],
    ['it says that it cannot', (port) => port.says({ kind: 'failed', message: 'of the test' }), /^of the test$/],
  ])('%s: no verdict, and it is ended', async (_, happens, message) => {
    const { port, time, started } = starting()
    happens(port, time)
    await expect(started).rejects.toThrow(message)
    expect(port.terminated).toBe(1)
    // What comes of it later is nobody's, and nobody's fault.
    port.emit('error', new Error('late'))
    port.emit('exit', 1)
    pass(time, 2 * PATIENCE_MS)
  })
})

describe('while a seed runs', () => {
  test.each<[string, (port: Port, time: VirtualTime) => void, RegExp]>([
    ['exits', (port) => port.emit('exit', 1), /its thread ended with code 1/],
    ['throws', (port) => port.emit('error', new Error('of the test')), /of the test/],
    ['is silent', (_, time) => pass(time, PATIENCE_MS), /no sign of life/],
  ])('it %s: that is the verdict on the seed', async (_, happens, what) => {
    const { port, time, thread } = await running()
    const told: number[] = []
    const ran = thread.run(asked(4), (virtualMs) => told.push(virtualMs))
    pass(time, PATIENCE_MS - 1)
    port.says({ kind: 'progress', virtualMs: 77, shrinking: false })
    pass(time, PATIENCE_MS - 1)
    expect(thread.lost).toBe(false)
    happens(port, time)
    expect(await ran).toMatchObject({
      seed: 4,
      violation: { property: 'no-throw', kind: 'safety', atMs: 77, what: expect.stringMatching(what) as string },
    })
    expect([told, thread.lost, port.terminated]).toEqual([[77], true, 1])
  })
})

test('an error between two seeds is no seed’s: the next is not waited for', async () => {
  const { port, thread } = await running()
  const first = thread.run(asked(1), () => undefined)
  // All at once, as the last words of a thread are read.
  port.says({ kind: 'done', result: result(1) })
  port.emit('error', new Error('of a timer'))
  port.emit('exit', 1)
  expect((await first).violation).toBeNull()
  expect(thread.lost).toBe(false)
  await expect(thread.run(asked(2), () => undefined)).rejects.toThrow(/before seed 2: an error that nobody caught: .*of a timer/)
  expect(port.asked).toEqual([1])
})

describe('real threads', () => {
  const pool = (module: string | null, patienceMs: number, done: (result: SeedResult) => void): Promise<void> =>
    runSeeds({
      ...asked(0),
      minutes: 0.05,
      subject: { module, scenario: null },
      seeds: [1, 50],
      workers: 1,
      keepGoing: true,
      patienceMs,
      ready: () => undefined,
      progress: () => undefined,
      done,
    })

  test.each([
    ['an endless loop', 'for (;;);'],
    ['an await that something keeps alive', 'setInterval(() => undefined, 10); await new Promise(() => undefined)'],
  ])('%s at load is given up', async (_, text) => {
    const file = join(folder({ 'app.ts': `${text}\nexport {}` }), 'app.ts')
    await expect(pool(file, 1000, () => undefined)).rejects.toThrow('do not load: no sign of life in 1 s')
  })

  test('what a seed began stays in its thread', async () => {
    const results: SeedResult[] = []
    await pool(null, PATIENCE_MS, (each) => results.push(each))
    expect(results.map(({ seed, violation }) => [seed, violation])).toEqual([[1, null], [50, null]]) // prettier-ignore
    for (const each of results) expect(Object.keys(each)).not.toContain('begun')
  })
})
