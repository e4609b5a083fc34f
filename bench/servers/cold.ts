/**
 * P8's program: fills an embedded store with actors, ends that node by drain or like a crash, starts another on the same files and
 * touches actors that nobody has touched since. Called in process: the wire is P1's matter.
 * Argument: data directory.
 */
import { seeded } from '../../src/base/random.ts'
import { startNode, type RunningNode } from '../../src/node.ts'
import { serveParent } from '../harness/child.ts'
import { Samples, type Percentiles } from '../harness/statistics.ts'
import { eventData } from '../load/dialects.ts'
import { benchApp } from './app.ts'

const store = `sqlite:${process.argv[2]}`
const OUTSTANDING = 256
const start = (): Promise<RunningNode> =>
  startNode({ app: benchApp, node: 'bench-1', listen: '127.0.0.1:0', adminListen: null, store, mode: 'start' })
let node = await start()

export interface ColdResult {
  readonly perSecond: number
  /** Milliseconds. */
  readonly latency: Percentiles
}
interface Range {
  readonly from: number
  readonly to: number
}

/** Calls `touch` for each number of the range, with so many unanswered at once or at Poisson times. */
function run({ from, to }: Range, rate: number | null, touch: (number: number, done: () => void) => void): Promise<ColdResult> {
  const { promise, resolve } = Promise.withResolvers<ColdResult>()
  const samples = new Samples()
  const begin = performance.now()
  let next = from
  let done = 0
  const one = (due: number, then: () => void): void => {
    touch(next++, () => {
      samples.add(performance.now() - due)
      if (++done === to - from) resolve({ perSecond: (done * 1000) / (performance.now() - begin), latency: samples.percentiles() })
      else then()
    })
  }
  if (rate === null) {
    // Through the event loop, so that an answer from memory does not recurse.
    const more = (): void => {
      if (next < to) one(performance.now(), () => setImmediate(more))
    }
    for (let i = 0; i < OUTSTANDING; i++) more()
    return promise
  }
  const random = seeded(`cold/${from}`)
  const gap = (): number => (-Math.log(1 - random.float()) * 1000) / rate
  let due = performance.now() + gap()
  const timer = setInterval(() => {
    for (const now = performance.now(); due <= now && next < to; due += gap()) one(due, () => undefined)
    if (next >= to) clearInterval(timer)
  }, 1)
  return promise
}

function send(number: number, seq: number, done: () => void): void {
  const call = {
    actor: `user/u${number}`,
    type: 'ev',
    data: JSON.parse(eventData(seq)) as unknown,
    sender: `user:u${number}`,
    source: `session:${number}`,
    seq,
    base: seq,
  }
  node.calls.send(call, (outcome) => {
    if (!outcome.ok) throw new Error(`${call.actor}: ${outcome.code} ${outcome.message}`)
    done()
  })
}

serveParent(
  { ports: [], pids: {} },
  {
    fill: async ({ actors, events, end }: { actors: number; events: number; end: 'drain' | 'crash' }): Promise<void> => {
      for (let seq = 1; seq <= events; seq++) await run({ from: 0, to: actors }, null, (number, done) => send(number, seq, done))
      if (end === 'drain') await node.drain()
      else {
        node.engine.kill()
        await node.stop()
      }
      node = await start()
    },
    query: ({ range, rate, want }: { range: Range; rate: number | null; want: number }): Promise<ColdResult> =>
      run(range, rate, (number, done) =>
        node.calls.query({ actor: `user/u${number}`, name: 'count', args: null }, (outcome) => {
          if (!outcome.ok) throw new Error(`user/u${number}: ${outcome.code} ${outcome.message}`)
          if (outcome.json !== String(want)) throw new Error(`user/u${number} has ${outcome.json} events and should have ${want}`)
          done()
        }),
      ),
    send: ({ range, seq }: { range: Range; seq: number }): Promise<ColdResult> =>
      run(range, null, (number, done) => send(number, seq, done)),
  },
  () => node.stop(),
)
