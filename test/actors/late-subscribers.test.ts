import { describe, expect, it } from 'vitest'
import { actor, app, view } from '../../src/actors/define.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode } from './one-node.ts'

const A = 'counter/a'
const lamp = actor('lamp', {
  state: () => ({ on: false }),
  events: { set: { reduce: (_s: { on: boolean }, data: { on: boolean }) => ({ on: data.on }) } },
  topics: { on: view((s: { on: boolean }) => s.on, { everyMs: 200 }) },
})

describe('who subscribes late', () => {
  it('to a view inside a window ends with the value of the state, though others knew that value before (D6, D7)', async () => {
    const node = oneNode(app({ actors: { lamp } }))
    const set = (on: boolean) => during(node, node.send('lamp/a', 'set', { on }))
    const first = node.subscribe('lamp/a', 'on')
    await node.settle()
    for (const on of [true, false]) {
      await set(on)
      await node.clock.run(1000)
    }
    await set(false) // begins a window
    await set(true)
    const second = node.subscribe('lamp/a', 'on')
    await node.settle()
    expect(second.answers).toMatchObject([{ ok: true, json: 'true' }])
    await set(false)
    await node.clock.run(1000)
    expect(second.notes.at(-1)).toMatchObject({ json: 'false' })
    expect(first.notes.at(-1)).toMatchObject({ json: 'false' })
  })

  it('to a signal hears of no change that is not durable: it is the newest at the offset of the answer (J7)', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add'))
    node.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 100 } : null)
    void node.send(A, 'hear', { what: 'x' }) // offset 2, marks nothing
    await node.clock.run(10)
    const follower = node.subscribe(A, 'changed')
    await node.settle()
    node.fault = (call) => (call.op === 'commit' ? { kind: 'silent-before' } : null)
    void node.send(A, 'add') // offset 3 marks the topic, and is never durable
    await node.clock.run(500)
    expect(follower.answers).toMatchObject([{ ok: true, offset: 2, changed: 1 }])
    expect(follower.notes).toEqual([])
  })

  it('to a log of a reader hears that it missed entries, when the actor is claimed over what another wrote (D8)', async () => {
    const one = oneNode(counterApp)
    const follower = one.subscribe('lazy/x', 'adds')
    await one.settle()
    const two = one.another()
    for (let i = 0; i < 2; i++) await during(two, two.send('lazy/x', 'add'))
    await during(two, two.engine.drain())
    expect(await during(one, one.send('lazy/x', 'add'))).toMatchObject({ ok: true, offset: 3 })
    await one.clock.run(3000)
    expect([follower.ended, follower.notes]).toEqual([true, []])
    const again = one.subscribe('lazy/x', 'adds')
    await one.settle()
    await during(one, one.send('lazy/x', 'add'))
    expect(again.notes.map(({ offset }) => offset)).toEqual([4])
  })

  it('to a log of a reader hears nothing and stays, when the actor is claimed over the same entries', async () => {
    const one = oneNode(counterApp)
    await during(one, one.send('lazy/x', 'add'))
    await during(one, one.engine.drain())
    const two = one.another()
    const follower = two.subscribe('lazy/x', 'adds')
    await two.settle()
    await during(two, two.send('lazy/x', 'add'))
    expect([follower.ended, follower.notes.map(({ offset }) => offset)]).toEqual([false, [2]])
  })

  it('to a view without a value gets null, then and in each note: JSON always', async () => {
    const blank = actor('blank', {
      state: () => 0,
      events: { add: { reduce: (s: number) => s + 1 } },
      topics: { value: view((s: number) => (() => s) as unknown, { everyMs: 0 }) },
    })
    const node = oneNode(app({ actors: { blank } }))
    const follower = node.subscribe('blank/a', 'value')
    await node.settle()
    await during(node, node.send('blank/a', 'add'))
    expect(follower.answers).toMatchObject([{ ok: true, json: 'null' }])
    expect(follower.notes.every(({ json }) => json === 'null')).toBe(true)
  })

  it('to an operator’s view of an actor sees only what is durable (J7)', async () => {
    const node = oneNode(counterApp)
    await during(node, node.send(A, 'add'))
    node.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 500 } : null)
    void node.send(A, 'add')
    let seen: unknown = null
    void node.engine.inspect(A).then((inspection) => (seen = inspection))
    await node.clock.run(499)
    expect(seen).toBeNull()
    await node.clock.run(2)
    expect(seen).toMatchObject({ ok: true, offset: 2, state: { n: 2 } })
  })
})

it('who subscribes behind a proof that ends the activation, at the gate of one batch, is subscribed at the next one (D8)', async () => {
  const one = oneNode(counterApp)
  await during(one, one.send(A, 'add'))
  const two = one.another()
  one.fault = (call) => (call.op === 'commit' ? { answerAfterMs: 100 } : null)
  void one.send(A, 'add') // durable at once, its answer takes 100 ms
  await one.clock.run(10)
  await during(two, two.send(A, 'add')) // takes the place after it
  const strict = one.query(A, 'value', null, { strict: true })
  await one.clock.run(5)
  const follower = one.subscribe(A, 'adds')
  await one.clock.run(200)
  one.fault = () => null
  expect(await strict).toMatchObject({ ok: true, json: '3' })
  await during(one, one.send(A, 'add'))
  await one.clock.run(1000)
  expect(follower.answers).toMatchObject([{ ok: true, offset: 3 }])
  expect(follower.notes).toMatchObject([{ offset: 4 }])
})
