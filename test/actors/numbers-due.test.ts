import { describe, expect, it } from 'vitest'
import type { SendOutcome } from '../../src/actors/calls.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

const session = (seq: number, base = 1) => ({ source: 'session:s', seq, base })
const slow = (node: OneNode): void => {
  node.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 500 } : null)
}

describe('a failed reply to a sequenced send says which number is due (D2)', () => {
  it('when the mailbox is full: the one after those that were taken, to every one that was not', async () => {
    const node = oneNode(counterApp, { mailboxEvents: 5 })
    await during(node, node.send('counter/a', 'add'))
    slow(node)
    const sends = Array.from({ length: 9 }, (_, i) => node.send('counter/a', 'add', {}, session(i + 1)))
    const outcomes = await during(node, Promise.all(sends))
    expect(outcomes.slice(0, 5).every(({ ok }) => ok)).toBe(true)
    expect(outcomes.slice(5)).toMatchObject(Array.from({ length: 4 }, () => ({ code: 'overloaded', next: 6 })))
    expect(await during(node, node.send('counter/a', 'add', {}, session(6)))).toMatchObject({ ok: true, offset: 7 })
  })

  it('but not when that would say that its own number is used up, since its answer is only not durable yet: it is asked for again', async () => {
    const node = oneNode(counterApp, { mailboxEvents: 5 })
    await during(node, node.send('counter/a', 'add'))
    slow(node)
    const first = Array.from({ length: 5 }, (_, i) => node.send('counter/a', 'add', {}, session(i + 1)))
    const again = await during(node, node.send('counter/a', 'add', {}, session(3)))
    expect(again).toMatchObject({ ok: false, code: 'overloaded' })
    expect('next' in again).toBe(false)
    await during(node, Promise.all(first))
    expect(await during(node, node.send('counter/a', 'add', {}, session(3)))).toMatchObject({ ok: true, offset: 4, duplicate: true })
  })

  it('when write-behind is late or full (J9)', async () => {
    const node = oneNode(counterApp, { commitBytes: 64 * 1024 })
    expect(await during(node, node.send('lazy/a', 'add', {}, session(1)))).toMatchObject({ ok: true })
    node.fault = (call) => (call.op === 'commit' ? { kind: 'refused' } : null)
    let last: SendOutcome | null = null
    for (let seq = 2; seq < 200 && last?.ok !== false; seq++)
      last = await during(node, node.send('lazy/a', 'add', { pad: 'x'.repeat(1000) }, session(seq)))
    expect(last).toMatchObject({ code: 'overloaded' })
    expect(last).toHaveProperty('next')
    const due = (last as { next: number }).next
    await node.clock.run(3000)
    expect(await during(node, node.send('lazy/a', 'add', {}, session(due)))).toMatchObject({ code: 'store_unavailable', next: due })
  })

  it('and says nothing of it where the actor is not in memory', async () => {
    const node = oneNode(counterApp)
    node.fault = (call) => (call.op === 'load' ? { kind: 'refused' } : null)
    const outcome = await during(node, node.send('counter/a', 'add', {}, session(1)))
    expect(outcome).toMatchObject({ ok: false, code: 'store_unavailable' })
    expect('next' in outcome).toBe(false)
  })

  it('and a send without a number hears of none', async () => {
    const node = oneNode(counterApp, { mailboxEvents: 1 })
    slow(node)
    const outcomes = await during(node, Promise.all([1, 2].map(() => node.send('counter/a', 'add'))))
    expect(outcomes.filter((outcome) => 'next' in outcome)).toEqual([])
    expect(outcomes.filter(({ ok }) => !ok).length).toBe(1)
  })
})
