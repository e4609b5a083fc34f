import { describe, expect, it } from 'vitest'
import type { ActorCalls } from '../../src/actors/calls.ts'
import { actor, app } from '../../src/actors/define.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

const A = 'counter/a'
const claims = (node: OneNode): number => node.engine.stats().counters['claims'] ?? -1
const newest = async (node: OneNode): Promise<number> => (await node.store.newest([A]))[0] ?? -1

/** Two nodes, of which the first was just fenced. */
async function fenced(): Promise<[one: OneNode, two: OneNode]> {
  const one = oneNode(counterApp)
  await during(one, one.send(A, 'add'))
  const two = one.another()
  await during(two, two.send(A, 'add'))
  one.fault = (call) => (call.op === 'claim' ? { kind: 'refused' } : null)
  expect(await during(one, one.send(A, 'add'))).toMatchObject({ ok: false }) // fenced; its claim fails
  one.fault = () => null
  return [one, two]
}

describe('an actor that was lost to another owner', () => {
  it('is read without a claim: queries, topics, histories and inspection write nothing (J2)', async () => {
    const [one, two] = await fenced()
    const [before, claimed] = [await newest(one), claims(one)]
    expect(await during(one, one.query(A, 'value', null, { strict: true }))).toMatchObject({ json: '2' })
    const follower = one.subscribe(A, 'changed')
    expect(await during(one, one.history(A, 1, 10))).toMatchObject({ ok: true, entries: { length: 2 } })
    expect(await during(one, one.engine.inspect(A))).toMatchObject({ ok: true })
    await one.clock.run(10)
    expect(follower.answers).toMatchObject([{ ok: true, offset: 2 }])
    expect([await newest(one), claims(one)]).toEqual([before, claimed])
    // The owner was not fenced by it.
    expect(await during(two, two.send(A, 'add'))).toMatchObject({ ok: true, offset: 3 })
    expect(two.engine.stats().counters['fenced']).toBe(0)
  })

  it('is claimed, in one step with finding its newest place, before the first event that comes to that reader', async () => {
    const [one] = await fenced()
    await during(one, one.query(A, 'value'))
    let claimed = 0
    one.fault = (call) => {
      if (call.op === 'claim') claimed++
      return null
    }
    expect(await during(one, one.send(A, 'add'))).toMatchObject({ ok: true, offset: 3 })
    await during(one, one.send(A, 'add'))
    expect(claimed).toBe(1)
  })

  it('takes the events that waited while it was read in the order in which they came: the first waits for the claim before the others (E3)', async () => {
    const [one] = await fenced()
    const query = one.query(A, 'value')
    const sends = Promise.all([1, 2, 3, 4].map(() => one.send(A, 'add')))
    const outcomes = await during(one, sends)
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.offset : outcome.code))).toEqual([3, 4, 5, 6])
    await during(one, query)
  })

  it('by two nodes that both are asked and written to all the time gets through at both', async () => {
    const [one, two] = await fenced()
    for (let i = 0; i < 10; i++)
      for (const node of [one, two]) {
        const query = node.query(A, 'value')
        expect(await during(node, node.send(A, 'add'))).toMatchObject({ ok: true, offset: 3 + 2 * i + (node === one ? 0 : 1) })
        await during(node, query)
      }
  })
})

it('a topic is answered from a memory that has what the asker has seen (D11)', async () => {
  const one = oneNode(counterApp)
  await during(one, one.send(A, 'add'))
  const two = one.another()
  await during(two, two.query(A, 'value'))
  await during(one, one.send(A, 'add'))
  const topic = (atLeast?: number) =>
    during(
      two,
      new Promise((resolve) => two.engine.topic({ actor: A, topic: 'value', ...(atLeast !== undefined && { atLeast }) }, resolve)),
    )
  expect(await topic()).toMatchObject({ ok: true, offset: 1 })
  expect(await topic(2)).toMatchObject({ ok: true, offset: 2, json: '{"n":2}' })
})

it('an effect’s answer that comes to be written while a lost actor waits to be claimed does not overtake the claim (W1, D4)', async () => {
  const rig: { owned: boolean; answers: boolean; node?: OneNode } = { owned: true, answers: false }
  const outgoing = {
    send: (_: unknown, done: (outcome: { ok: true; offset: number; durable: boolean; duplicate: boolean }) => void) => {
      if (rig.answers) rig.node?.clock.after(1, () => done({ ok: true, offset: 1, durable: true, duplicate: false }))
    },
  } as unknown as ActorCalls
  const one = oneNode(counterApp, {}, { owns: () => rig.owned, outgoing })
  rig.node = one
  await during(one, one.send(A, 'tell', { to: 'counter/b', what: 'x' }))
  const two = one.another()
  await during(two, two.send(A, 'add'))
  rig.owned = false
  expect(await during(one, one.send(A, 'add'))).toMatchObject({ code: 'moved' })
  rig.owned = rig.answers = true
  await during(one, one.query(A, 'value'))
  await one.clock.run(4970) // the answer is to be written 5 s after it came
  one.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 120 } : null)
  const sent = one.send(A, 'add')
  await one.clock.run(1000)
  one.fault = () => null
  expect(await during(one, sent)).toMatchObject({ ok: true, offset: 3 })
  expect(await during(one, one.send(A, 'add'))).toMatchObject({ ok: true, offset: 4 })
  expect(one.logged.filter(({ level }) => level === 'error')).toEqual([])
  expect(one.engine.stats().counters['fenced']).toBe(1)
})

it('a refusal without identity, which no batch will show to be wrong, is not decided by memory that is behind (D2, D11)', async () => {
  interface Room {
    readonly n: number
  }
  const room = actor('room', {
    state: (): Room => ({ n: 0 }),
    events: {
      join: { reduce: (s: Room, _d: unknown, ctx) => (s.n >= 1 ? ctx.refuse('full') : { n: s.n + 1 }) },
      leave: { reduce: (s: Room) => ({ n: s.n - 1 }) },
    },
  })
  const one = oneNode(app({ actors: { room } }))
  await during(one, one.send('room/a', 'join'))
  expect(await during(one, one.send('room/a', 'join'))).toMatchObject({ ok: false, code: 'refused' })
  const two = one.another()
  await during(two, two.send('room/a', 'leave'))
  two.engine.kill()
  await one.clock.run(20_000)
  expect(await during(one, one.send('room/a', 'join'))).toMatchObject({ ok: true })
})

it('a history is read by memory that is proven the newest, as a query is answered (D11)', async () => {
  const one = oneNode(counterApp)
  await during(one, one.send(A, 'add'))
  const two = one.another()
  for (let i = 0; i < 5; i++) await during(two, two.send(A, 'add'))
  two.engine.kill()
  await one.clock.run(6000)
  expect(await during(one, one.history(A, 1, 100))).toMatchObject({ ok: true, next: 7, entries: { length: 6 } })
})

it('a proof that meets the own claim under way is asked for again, and ends nothing (D11, J9)', async () => {
  const one = oneNode(counterApp)
  await during(one, one.send('lazy/a', 'add'))
  await one.clock.run(2000)
  await during(one, one.engine.drain())
  const two = one.another()
  await during(two, two.query('lazy/a', 'value'))
  const follower = two.subscribe('lazy/a', 'adds')
  await two.clock.run(100)
  two.fault = (call) => (call.op === 'newest' ? { applyAfterMs: 10 } : call.op === 'claim' ? { answerAfterMs: 100 } : null)
  const strict = two.query('lazy/a', 'value', null, { strict: true })
  await two.clock.run(1)
  const sent = two.send('lazy/a', 'add')
  expect(await during(two, strict)).toMatchObject({ ok: true })
  expect(await during(two, sent)).toMatchObject({ ok: true, offset: 2 })
  expect([follower.ended, claims(two)]).toEqual([false, 1])
})

it.each([3, 4])(
  'a claim that others’ overtake %i times in a row is tried three times more, and then its sender asks again',
  async (times) => {
    const [one] = await fenced()
    let overtaken = 0
    one.fault = (call) => (call.op === 'claim' && overtaken++ < times ? { kind: 'unknown-before', reason: 'busy' } : null)
    const sent = await during(one, one.send(A, 'add'))
    expect(sent).toMatchObject(times === 3 ? { ok: true, offset: 3 } : { ok: false, code: 'store_unavailable' })
    expect(overtaken).toBe(4)
  },
)

it('who lost an actor waits some round trips of gossip before it claims it back: it may have been declared dead (J7)', async () => {
  const one = oneNode(counterApp)
  await during(one, one.send(A, 'add'))
  const two = one.another()
  await during(two, two.send(A, 'add'))
  const sent = one.send(A, 'add')
  await one.clock.run(49)
  expect([claims(one), await newest(one)]).toEqual([1, 2])
  expect(await during(one, sent)).toMatchObject({ ok: true, offset: 3 })
})
