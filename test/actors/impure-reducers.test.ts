/** J8: what a reducer takes from elsewhere than its state, its data and its context is another when its events are folded again; dev says so at once. */
import { describe, expect, it } from 'vitest'
import { actor, app, log } from '../../src/actors/define.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

let turns = 0
let wanted = 0
const odd = actor('odd', {
  state: (): unknown => null,
  events: {
    chance: { reduce: () => Math.random() },
    clock: { reduce: () => Date.now() },
    day: { reduce: () => new Date().toISOString() },
    dayText: { reduce: () => Date() },
    counts: { reduce: () => ++turns },
    sends: {
      reduce: (s: unknown, _d: unknown, ctx) => {
        ctx.send('odd/b', 'clean', { wanted: ++wanted })
        return s
      },
    },
    refuses: { reduce: (_s: unknown, _d: unknown, ctx) => ctx.refuse(Date.now() % 2 === 0 ? 'even' : 'odd', String(Date.now())) },
    data: { reduce: (_s: unknown, data: { list: number[] }) => ({ n: data.list.push(1) }) },
    clean: {
      reduce: (_s: unknown, data: unknown, ctx) => ({
        data,
        at: ctx.now,
        chance: ctx.random(),
        known: new Date(0).getTime(),
        is: new Date(1) instanceof Date,
      }),
    },
  },
  topics: { all: log() },
})
const made = app({ actors: { odd } })
const impure = (node: OneNode) =>
  node.logged.filter(({ message }) => message.startsWith('an impure reducer')).map(({ fields }) => fields['event'])

describe('dev', () => {
  it.each(['chance', 'clock', 'day', 'dayText', 'counts', 'sends', 'refuses'])('says which reducer is not pure: %s', async (type) => {
    const node = oneNode(made, {}, { check: true })
    await during(node, node.send('odd/a', type))
    expect(impure(node)).toEqual([type])
    expect(node.engine.stats().counters['impure']).toBe(1)
  })

  it('and says nothing of one that is, nor of one that changes the data it is given, which is recorded as it came', async () => {
    const node = oneNode(made, {}, { check: true })
    await during(node, node.send('odd/a', 'clean', { a: 1 }))
    await during(node, node.send('odd/a', 'data', { list: [1, 2] }))
    expect(impure(node)).toEqual([])
    const history = await during(node, node.history('odd/a', 2, 1))
    expect(history).toMatchObject({ entries: [{ json: '{"list":[1,2]}' }] })
  })

  it('takes the effects of one turn only', async () => {
    const node = oneNode(made, {}, { check: true })
    await during(node, node.send('odd/a', 'sends'))
    await node.clock.run(1000)
    expect(await during(node, node.history('odd/b', 1, 10))).toMatchObject({ entries: { length: 1 } })
  })

  it('looks again now and then, and never in production', async () => {
    const dev = oneNode(made, {}, { check: true })
    const production = oneNode(made)
    for (const node of [dev, production]) for (let i = 0; i < 130; i++) await during(node, node.send('odd/a', 'counts'))
    expect([impure(dev).length, impure(production).length]).toEqual([10, 0])
  })
})
