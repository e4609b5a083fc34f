import { describe, expect, it } from 'vitest'
import type { ActorCalls } from '../../src/actors/calls.ts'
import { actor, app } from '../../src/actors/define.ts'
import { fail } from '../../src/errors.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

const A = 'counter/a'
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** Notes the time of each of its events. */
const diary = actor('diary', {
  state: () => [] as number[],
  events: {
    note: { reduce: (s: number[], _data: unknown, ctx) => [...s, ctx.now] },
    in: {
      reduce: (s: number[], data: { ms: number }, ctx) => {
        ctx.schedule('t', { inMs: data.ms }, 'note')
        return [...s, ctx.now]
      },
    },
  },
  queries: { times: (s) => s },
})

const silent = { send: () => undefined } as unknown as ActorCalls

describe('a wall clock that is wrong', () => {
  it('once a year ahead does not put off the timers that are set after it is right again (D5)', async () => {
    const node = oneNode(counterApp)
    node.clock.jumpWall(365 * DAY_MS)
    await during(node, node.send(A, 'add'))
    node.clock.jumpWall(-365 * DAY_MS)
    await during(node, node.send(A, 'later', { name: 't', inMs: 1000 }))
    await node.clock.run(999)
    expect(node.engine.stats().counters['timersFired']).toBe(0)
    await node.clock.run(1001)
    expect(await during(node, node.query(A, 'heard'))).toMatchObject({ json: '["timer:t t"]' })
  })

  it.each([
    ['in memory', false],
    ['after a crash', true],
  ])('the times of an actor’s entries never fall, and a timer’s event is not earlier than it was set for: %s', async (_how, crash) => {
    const node = oneNode(app({ actors: { diary } }))
    node.clock.jumpWall(DAY_MS)
    await during(node, node.send('diary/a', 'note'))
    node.clock.jumpWall(-DAY_MS)
    await during(node, node.send('diary/a', 'in', { ms: 60_000 }))
    if (crash) node.engine.kill()
    const last = crash ? node.another() : node
    if (crash) last.engine.start()
    await last.clock.run(62_000)
    const answer = await during(last, last.query('diary/a', 'times'))
    const [first = 0, second = 0, third = 0, ...more] = JSON.parse(answer.ok ? answer.json : '[]') as number[]
    expect(more).toEqual([])
    expect(second).toBeGreaterThanOrEqual(first)
    expect(third).toBeGreaterThanOrEqual(second + 60_000)
  })

  it('that was ahead on a node that died does not put off what its actors had sent: another node delivers it (D5)', async () => {
    const dead = oneNode(counterApp, {}, { outgoing: silent })
    dead.clock.jumpWall(10 * 60_000)
    await during(dead, dead.send(A, 'tell', { to: 'counter/b', what: 'x' }))
    dead.engine.kill()
    dead.clock.jumpWall(-10 * 60_000) // the other node's is right
    const node = dead.another()
    node.engine.start()
    await node.clock.run(5000)
    expect(node.engine.stats().counters['effectsDelivered']).toBe(1)
    expect(await during(node, node.query('counter/b', 'heard'))).toMatchObject({ json: `["actor:${A} x"]` })
    await node.clock.run(5000)
    expect(await node.store.hints(Number.MAX_VALUE, 10)).toEqual([])
  })

  it('matters to the hint of a timer alone: that of a send is due at once, and the timer’s comes back when the actor leaves memory (D5)', async () => {
    const delivers = { now: false }
    const node: OneNode = oneNode(
      counterApp,
      { idleMs: 2000 },
      {
        outgoing: {
          send: (call, done) => (delivers.now ? node.engine.send(call, done) : done(fail('unavailable', 'planted'))),
        } as ActorCalls,
      },
    )
    const dues = async () => (await node.store.hints(Number.MAX_VALUE, 10)).map(({ due }) => due)
    await during(node, node.send(A, 'later', { name: 't', inMs: HOUR_MS }))
    const [due = 0, ...more] = await dues()
    expect([due - node.clock.now(), more]).toEqual([HOUR_MS, []])
    await during(node, node.send(A, 'tell', { to: 'counter/b', what: 'x' }))
    await node.settle()
    expect(await dues()).toEqual([0])
    await node.clock.run(1000)
    await during(node, node.send(A, 'tell', { to: 'counter/b', what: 'y' }))
    await node.settle()
    expect(await dues()).toEqual([0]) // the one that is there will do
    delivers.now = true
    await node.clock.run(15_000) // the repeated sends' back-off
    expect(await during(node, node.query('counter/b', 'heard'))).toMatchObject({ json: `["actor:${A} x","actor:${A} y"]` })
    await node.clock.run(15_000)
    expect(node.engine.stats().activations).toBe(0)
    expect(await dues()).toEqual([due])
  })

  it('has no part in the end of an activation that still owes sends: its hint stands, and nothing is written again', async () => {
    const node = oneNode(counterApp, {}, { outgoing: silent })
    await during(node, node.send(A, 'tell', { to: 'counter/b', what: 'x' }))
    await node.clock.run(1000)
    await during(node, node.engine.drain())
    expect(await node.store.newest([A])).toEqual([1])
    expect(await node.store.hints(Number.MAX_VALUE, 10)).toEqual([{ actor: A, n: 1, due: 0 }])
  })

  it('a timer keeps its due time and its event’s time through a snapshot', async () => {
    const node = oneNode(app({ actors: { diary } }), { idleMs: 1000 })
    node.engine.start()
    node.clock.jumpWall(DAY_MS)
    await during(node, node.send('diary/a', 'note'))
    node.clock.jumpWall(-DAY_MS)
    await during(node, node.send('diary/a', 'in', { ms: 60_000 }))
    await node.clock.run(50_000)
    expect(node.engine.stats().activations).toBe(0)
    expect(await node.store.load('diary/a')).toMatchObject({ snapshot: { n: 2 }, batches: [] })
    await node.clock.run(12_000)
    const answer = await during(node, node.query('diary/a', 'times'))
    const [, second = 0, third = 0] = JSON.parse(answer.ok ? answer.json : '[]') as number[]
    expect(third).toBeGreaterThanOrEqual(second + 60_000)
  })

  it('that jumps ahead is noticed within a second; one that goes back makes no timer early', async () => {
    const node = oneNode(counterApp)
    node.engine.start()
    await during(node, node.send(A, 'later', { name: 'soon', inMs: HOUR_MS }))
    await node.clock.run(5000)
    node.clock.jumpWall(HOUR_MS)
    await node.clock.run(1000)
    expect(await during(node, node.query(A, 'heard'))).toMatchObject({ json: '["timer:soon soon"]' })
    await during(node, node.send(A, 'later', { name: 'late', inMs: 10_000 }))
    await node.clock.run(5000)
    node.clock.jumpWall(-60_000)
    await node.clock.run(60_000)
    expect(node.engine.stats().counters['timersFired']).toBe(1)
    await node.clock.run(6_000)
    expect(node.engine.stats().counters['timersFired']).toBe(2)
  })
})
