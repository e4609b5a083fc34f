import { describe, expect, it } from 'vitest'
import type { ActorEngine } from '../../src/actors/actor-engine.ts'
import type { ActorCalls } from '../../src/actors/calls.ts'
import { actor, app } from '../../src/actors/define.ts'
import type { Fault } from '../../src/store/memory.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

interface State {
  readonly n: number
}
const add = (s: State): State => ({ n: s.n + 1 })
const behind = actor('behind', {
  state: (): State => ({ n: 0 }),
  durability: { everyMs: 30_000 },
  events: {
    add: { reduce: add },
    throws: {
      reduce: (s: State) => {
        ;(s as { n: number }).n = 1_000_000
        throw new Error('planted')
      },
    },
    later: {
      reduce: (s: State, _data: unknown, ctx) => {
        ctx.schedule('t', { inMs: 40_000 }, 'add')
        return s
      },
    },
  },
  queries: { n: (s) => s.n },
})
const B = 'behind/a'
const AWAY = { ok: false, code: 'store_unavailable', retryAfterMs: 500 }
const counted = (node: OneNode, name: string) => node.engine.stats().counters[name]

/** What goes wrong with the reads of actors from now on; the count of them. */
function reads(node: OneNode, fault: (read: number) => Fault | null): { count: number } {
  const seen = { count: 0 }
  node.fault = (call) => (call.op === 'load' ? fault(seen.count++) : null)
  return seen
}

/** Events were written, five more were acknowledged and are not; then a reducer threw, and the state is to be read anew. */
async function suspect(fault: (read: number) => Fault | null, first = 'add'): Promise<[node: OneNode, seen: { count: number }]> {
  const node = oneNode(app({ actors: { behind } }), { idleMs: 40_000, sendTimeoutMs: 10 * 60_000 })
  await during(node, node.send(B, first))
  await node.clock.run(31_000)
  expect(await node.store.newest([B])).toEqual([2]) // its claim, and its first event
  await during(node, node.send(B, 'add'))
  for (let i = 0; i < 4; i++) expect(await during(node, node.send(B, 'add'))).toMatchObject({ ok: true, durable: false })
  const seen = reads(node, fault)
  expect(await during(node, node.send(B, 'throws'))).toMatchObject({ ok: false, code: 'internal' })
  return [node, seen]
}

async function hasAll(node: OneNode, json: string): Promise<void> {
  expect(await during(node, node.query(B, 'n', null, { strict: true }))).toMatchObject({ json })
  await node.clock.run(31_000)
  const next = node.another()
  expect(await during(next, next.query(B, 'n'))).toMatchObject({ json })
}

describe('after a reducer threw, with what was acknowledged early still to be written (J9)', () => {
  it.each(['refused', 'unknown-before'] as const)('a read that fails is tried again, and nothing is lost (%s)', async (kind) => {
    const [node] = await suspect((read) => (read === 0 ? { kind } : null))
    await node.clock.run(1000)
    expect(await during(node, node.send(B, 'add'))).toMatchObject({ ok: true, offset: 7 })
    await hasAll(node, '7')
  })

  it('a read that is never answered is given up in time, and tried again (activationTimeoutMs)', async () => {
    const [node, seen] = await suspect((read) => (read === 0 ? { kind: 'silent-before' } : null))
    await node.clock.run(9000)
    expect(seen.count).toBe(1)
    await node.clock.run(2000)
    expect(seen.count).toBe(2)
    await hasAll(node, '6')
    await node.clock.run(60_000)
    expect(node.engine.stats().activations).toBe(0)
  })

  it('an answer that comes after its time changes nothing', async () => {
    const [node] = await suspect((read) => (read === 0 ? { answerAfterMs: 35_000 } : null))
    await node.clock.run(34_000) // written meanwhile
    for (let i = 0; i < 2; i++) expect(await during(node, node.send(B, 'add'))).toMatchObject({ ok: true })
    await node.clock.run(2000)
    expect([counted(node, 'fenced'), await node.store.newest([B])]).toEqual([0, [3]])
    await hasAll(node, '8')
  })

  it('the store is asked again and again, with a back-off, as long as it is away', async () => {
    const [node, seen] = await suspect(() => ({ kind: 'refused' }))
    await node.clock.run(10 * 60_000)
    expect(seen.count).toBeGreaterThan(300) // 2 s at most between two
    expect(seen.count).toBeLessThan(1200)
    expect(node.logged.filter(({ message }) => message.includes('could not be read')).length).toBe(1)
    node.fault = () => null
    await node.clock.run(2000)
    await hasAll(node, '6')
  })

  it('who asks meanwhile hears that the store is away: those that wait with the first read that failed, others at once', async () => {
    const [node] = await suspect(() => ({ kind: 'silent-before' }))
    const waiting = [
      node.send(B, 'add'),
      node.send(B, 'add', {}, { source: 'session:1', seq: 1 }),
      node.query(B, 'n'),
      node.history(B, 1, 10),
    ]
    const followed = node.subscribe(B, 'none')
    let heard = 0
    for (const outcome of waiting) void outcome.then(() => heard++)
    await node.clock.run(9000)
    expect(heard).toBe(0)
    await node.clock.run(1001)
    expect(await during(node, Promise.all(waiting), 0)).toMatchObject([AWAY, { ...AWAY, next: 1 }, AWAY, AWAY])
    expect(followed.answers).toMatchObject([AWAY])
    expect(await during(node, Promise.all([node.send(B, 'add'), node.query(B, 'n')]), 0)).toMatchObject([AWAY, AWAY])
    expect(node.engine.stats().pendingEvents).toBe(0)
    node.fault = () => null
    await node.clock.run(13_000)
    await hasAll(node, '6') // none of them was taken
  })

  it('a timer that is due meanwhile waits, and rings once', async () => {
    const [node] = await suspect(() => ({ kind: 'refused' }), 'later')
    await node.clock.run(20_000)
    expect(counted(node, 'timersFired')).toBe(0)
    node.fault = () => null
    await node.clock.run(2000)
    expect(counted(node, 'timersFired')).toBe(1)
    await hasAll(node, '6')
  })

  it('a drain ends all the same, and who waits is answered', async () => {
    const [node] = await suspect(() => ({ kind: 'silent-before' }))
    const waiting = node.send(B, 'add')
    await during(node, node.engine.drain(), 30_000)
    expect(await during(node, waiting, 0)).toMatchObject({ ok: false })
  })
})

describe('after a reducer threw, with nothing acknowledged that is not written', () => {
  it('a read that is never answered ends the activation in time: who waits hears that the store is away, the next one is served', async () => {
    const node = oneNode(counterApp, { idleMs: 1000 })
    await during(node, node.send('counter/a', 'add'))
    const seen = reads(node, (read) => (read === 0 ? { kind: 'silent-before' } : null))
    const patient = { timeoutMs: 10 * 60_000 }
    const threw = node.send('counter/a', 'throws', {}, { ...patient, key: 'x' })
    await node.settle()
    const waiting = node.send('counter/a', 'add', {}, patient)
    await node.clock.run(9000)
    expect(seen.count).toBe(1)
    await node.clock.run(1001)
    expect(await during(node, Promise.all([threw, waiting]), 0)).toMatchObject([AWAY, AWAY])
    expect(await during(node, node.send('counter/a', 'add'))).toMatchObject({ ok: true, offset: 2 })
    await node.clock.run(5000)
    expect(node.engine.stats().activations).toBe(0)
  })
})

describe('an actor that is read from the store', () => {
  const owing = async (options: Parameters<typeof oneNode>[1]): Promise<OneNode> => {
    const node = oneNode(counterApp, options, { outgoing: { send: () => undefined } as unknown as ActorCalls })
    for (const id of ['counter/a', 'counter/b']) await during(node, node.send(id, 'tell', { to: 'counter/z', what: id }))
    node.engine.kill()
    return node.another()
  }

  it('counts no more when its read was given up: who scans waits for nothing (D5)', async () => {
    const node = await owing({ wakeBatch: 1 })
    reads(node, (read) => (read === 0 ? { kind: 'silent-before' } : null))
    const { reading } = node.engine as ActorEngine
    const asked = node.query('counter/a', 'value')
    await node.clock.run(9000)
    expect(reading.count).toBe(1)
    await node.clock.run(3000)
    expect(reading.count).toBe(0)
    expect(await asked).toMatchObject({ ok: false })
  })

  it.each([
    ['its answer comes after all', 'answer'],
    ['it ended before', 'release'],
  ] as const)('is counted back once: %s', async (_what, how) => {
    const node = oneNode(counterApp)
    reads(node, () => ({ answerAfterMs: 15_000 }))
    const { reading } = node.engine as ActorEngine
    const asked = node.query('counter/a', 'value')
    await node.settle()
    expect(reading.count).toBe(1)
    if (how === 'release') {
      await during(node, node.engine.release('counter/a'), 0)
      expect(reading.count).toBe(0)
    }
    await during(node, asked)
    await node.clock.run(20_000)
    expect(reading.count).toBe(0)
  })
})
