import { describe, expect, it } from 'vitest'
import type { SendOutcome } from '../../src/actors/calls.ts'
import { actor, app } from '../../src/actors/define.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

const A = 'counter/a'
const tape = actor('tape', {
  state: (): readonly string[] => [],
  events: {
    put: { reduce: (s: readonly string[], text: string) => [...s, text] },
    no: { reduce: (_s: readonly string[], _d: unknown, ctx) => ctx.refuse('no') },
    tell: {
      reduce: (s: readonly string[], data: { to: string; bytes: number }, ctx) => {
        ctx.send(data.to, 'put', 'x'.repeat(data.bytes))
        return s
      },
    },
    plan: {
      reduce: (s: readonly string[], data: { bytes: number }, ctx) => {
        ctx.schedule('t', { inMs: 1000 }, 'put', 'x'.repeat(data.bytes))
        return s
      },
    },
  },
  queries: { all: (s) => s.join() },
})
const tapes = app({ actors: { tape } })

describe('sends between actors that are too large (D4)', () => {
  it('are refused where they are made, so that their channel is not held up', async () => {
    const node = oneNode(tapes, { eventBytes: 1000, effectsPending: 10 })
    for (const type of ['tell', 'plan'])
      expect(await during(node, node.send('tape/s', type, { to: 'tape/t', bytes: 5000 }))).toMatchObject({ ok: false, code: 'internal' })
    expect(await during(node, node.send('tape/s', 'tell', { to: 'tape/t', bytes: 1 }))).toMatchObject({ ok: true })
    await node.clock.run(1000)
    expect(await during(node, node.query('tape/t', 'all'))).toMatchObject({ json: '"x"' })
    expect(await node.engine.inspect('tape/s')).toMatchObject({ effects: [], timers: [] })
  })

  it('are taken where they arrive, by a node with a lower limit than the sender’s', async () => {
    const node = oneNode(tapes, { eventBytes: 1000 })
    const large = 'x'.repeat(5000)
    const numbered = { source: 'actor:tape/s', seq: 1, base: 1 }
    expect(await during(node, node.send('tape/t', 'put', large, { ...numbered, sender: 'actor:tape/s' }))).toMatchObject({ ok: true })
    expect(await during(node, node.send('tape/t', 'put', large, { ...numbered, source: 'session:s' }))).toMatchObject({
      code: 'too_large',
      next: 1,
    })
  })
})

describe('numbers and their answers (D1, D3)', () => {
  const numbered = (seq: number, base?: number) => ({ source: 'session:s', seq, ...(base !== undefined && { base }) })

  it('an unanswered refusal is not pushed out by its successors, nor turned into a success', async () => {
    const node = oneNode(counterApp)
    const first = await during(node, node.send(A, 'full', {}, numbered(1, 1)))
    expect(first).toMatchObject({ ok: false, code: 'refused', next: 2 })
    let refused: SendOutcome | null = null
    for (let seq = 2; seq <= 3000 && refused === null; seq++) {
      const outcome = await during(node, node.send(A, 'add', {}, numbered(seq, 1)))
      if (!outcome.ok) refused = outcome
    }
    expect(refused).toMatchObject({ ok: false, code: 'overloaded' })
    expect(await during(node, node.send(A, 'full', {}, numbered(1, 1)))).toEqual(first)
    // What is due is said, and taken once the sender has heard of some.
    const due = refused?.ok === false ? (refused.next ?? 0) : 0
    expect(await during(node, node.send(A, 'add', {}, numbered(due, due)))).toMatchObject({ ok: true })
  })

  it('a number whose answer is no longer kept is a gap, never a success: it may have been refused', async () => {
    const node = oneNode(counterApp, { answersKept: 4 })
    await during(node, node.send(A, 'full', {}, numbered(1)))
    for (let seq = 2; seq <= 8; seq++) await during(node, node.send(A, 'add', {}, numbered(seq)))
    expect(await during(node, node.send(A, 'full', {}, numbered(1)))).toMatchObject({ ok: false, code: 'gap', next: 9 })
    expect(await during(node, node.send(A, 'add', { by: 99 }, numbered(2)))).toMatchObject({ ok: false })
    expect(await during(node, node.send(A, 'add', {}, numbered(8)))).toMatchObject({ ok: true, offset: 7, duplicate: true })
  })

  it('another actor’s repeat of an old number is good: its answers arrived in order (D4)', async () => {
    const node = oneNode(counterApp)
    const from = (seq: number) => ({ source: 'actor:counter/b', sender: 'actor:counter/b', seq, base: 1 })
    for (const seq of [1, 2]) await during(node, node.send(A, 'add', {}, from(seq)))
    expect(await during(node, node.send(A, 'add', {}, from(1)))).toMatchObject({ ok: true, duplicate: true })
    expect(await during(node, node.query(A, 'value'))).toMatchObject({ json: '2' })
  })
})

describe('the order of requests (A1)', () => {
  it('one that is given in the callback of another does not overtake those that wait', async () => {
    const node = oneNode(tapes)
    const put = (text: string): void => node.engine.send({ actor: 'tape/a', type: 'put', data: text, sender: 'user:u' }, () => undefined)
    // Refused while the actor's mailbox is being worked off; its connection gives the next request at once.
    node.engine.send({ actor: 'tape/a', type: 'no', data: 0, sender: 'user:u' }, () => put('4'))
    put('2')
    put('3')
    await node.settle()
    expect(await during(node, node.query('tape/a', 'all'))).toMatchObject({ json: '"2,3,4"' })
  })

  it('a reducer cannot call actors: nothing of its own turn is lost or done twice', async () => {
    let node: OneNode | null = null
    const outer = actor('outer', {
      state: () => 0,
      events: {
        go: {
          reduce: (s: number, _d: unknown, ctx) => {
            ctx.send('outer/t', 'put')
            node?.engine.send({ actor: 'outer/other', type: 'put', data: null, sender: 'service:x' }, () => undefined)
            return s + 1
          },
        },
        put: { reduce: (s: number) => s + 1 },
      },
      queries: { value: (s) => s },
    })
    node = oneNode(app({ actors: { outer } }))
    for (const id of ['outer/other', 'outer/a']) await during(node, node.send(id, 'put'))
    await during(node, node.send('outer/a', 'go'))
    await node.clock.run(1000)
    const values = await Promise.all(
      ['outer/a', 'outer/t', 'outer/other'].map((id) => during(node as OneNode, (node as OneNode).query(id, 'value'))),
    )
    const [a, t] = values.map((answer) => (answer.ok ? Number(answer.json) : NaN))
    // Either the turn failed as a whole, or it was done as a whole.
    expect([
      [1, 0],
      [2, 1],
    ]).toContainEqual([a, t])
    expect(node.logged.some(({ message }) => message.includes('may not call actors'))).toBe(true)
  })
})

describe('more than is good', () => {
  it('write-behind: what is not written is bounded; it is written early, and beyond the bound answered overloaded (J9)', async () => {
    const node = oneNode(counterApp, { commitBytes: 64 * 1024, snapshotBytes: 8 * 1024 })
    await during(node, node.send('lazy/a', 'add'))
    await node.clock.run(2000)
    const before = await node.store.load('lazy/a')
    node.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 100 } : null)
    let taken = 0
    const outcomes = Array.from({ length: 5000 }, () =>
      node.send('lazy/a', 'add').then((outcome) => ((taken += outcome.ok ? 1 : 0), outcome)),
    )
    const all = await during(node, Promise.all(outcomes))
    expect(all.find((outcome) => !outcome.ok)).toMatchObject({ code: 'overloaded' })
    expect(taken).toBeLessThan(5000)
    node.fault = () => null
    await node.clock.run(500) // half of its period
    const written = await node.store.load('lazy/a')
    expect(written?.n).toBeGreaterThan(before?.n ?? Infinity)
    await node.clock.run(5000)
    expect(await during(node, node.query('lazy/a', 'value'))).toMatchObject({ json: String(taken + 1) })
    expect(await during(node, node.send('lazy/a', 'add'))).toMatchObject({ ok: true })
  })

  it('a history page of no entries has one: who asks on is not kept where he is', async () => {
    const node = oneNode(counterApp)
    for (let i = 0; i < 2; i++) await during(node, node.send(A, 'add'))
    expect(await during(node, node.history(A, 1, 0))).toMatchObject({ ok: true, entries: [{ offset: 1 }], more: true, next: 2 })
  })

  it.each([NaN, Infinity, -1])('a timeout of %s ms is a timeout too, and disturbs nobody else’s', async (timeoutMs) => {
    const node = oneNode(counterApp, { sendTimeoutMs: 1000 })
    node.fault = (call) => (call.op === 'load' ? { kind: 'silent-before' } : null)
    const odd = node.send(A, 'add', {}, { timeoutMs })
    expect(await during(node, node.send('counter/b', 'add'), 1000)).toMatchObject({ ok: false, code: 'timeout' })
    expect(await during(node, odd, 25 * 3_600_000)).toMatchObject({ ok: false })
  })
})
