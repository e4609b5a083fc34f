import { describe, expect, it } from 'vitest'
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
