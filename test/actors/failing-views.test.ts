import { describe, expect, it } from 'vitest'
import { actor, app, view } from '../../src/actors/define.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

/** What the view throws at, from outside, so that a test can mend it. */
const bad = { at: (_n: number): boolean => false }
const shown = actor('shown', {
  state: () => ({ n: 0 }),
  events: { set: { reduce: (_s: { n: number }, n: number) => ({ n }) } },
  topics: {
    value: view(
      ({ n }: { n: number }) => {
        if (bad.at(n)) throw new Error('planted')
        return n
      },
      { everyMs: 100 },
    ),
    late: view(({ n }: { n: number }) => Promise.reject(new Error(`planted ${n}`)), { everyMs: 0 }),
  },
})
const A = 'shown/a'
const failures = (node: OneNode): number => node.engine.stats().counters['viewFailures'] ?? -1

describe('a view that throws at the last change', () => {
  it('keeps its subscribers: they get the newest value as soon as it works again, without another change', async () => {
    const node = oneNode(app({ actors: { shown } }))
    const follower = node.subscribe(A, 'value')
    await node.settle()
    bad.at = (n) => n === 2
    for (const n of [1, 2]) await during(node, node.send(A, 'set', n))
    await node.clock.run(10_000)
    expect(follower.notes.map(({ json }) => json)).toEqual(['1'])
    expect(failures(node)).toBeGreaterThan(1)
    expect(node.logged.find(({ message }) => message.includes('planted'))).toMatchObject({
      level: 'error',
      fields: { actor: A, topic: 'value' },
    })
    bad.at = () => false
    await node.clock.run(60_000)
    expect(follower.notes.map(({ json, offset }) => [json, offset]).at(-1)).toEqual(['2', 2])
    expect(follower.ended).toBe(false)
  })

  it('tells the next change that it does not throw at, within its window', async () => {
    const node = oneNode(app({ actors: { shown } }))
    const follower = node.subscribe(A, 'value')
    await node.settle()
    bad.at = (n) => n === 2
    await during(node, node.send(A, 'set', 2))
    await node.clock.run(30_000)
    await during(node, node.send(A, 'set', 3))
    await node.clock.run(100)
    expect(follower.notes.map(({ json, offset }) => [json, offset])).toEqual([['3', 2]])
    const failed = failures(node)
    await node.clock.run(300_000)
    expect(failures(node)).toBe(failed)
  })

  it('is tried ever more rarely, and not for nobody', async () => {
    const node = oneNode(app({ actors: { shown } }))
    const follower = node.subscribe(A, 'value')
    await node.settle()
    bad.at = () => true
    await during(node, node.send(A, 'set', 2))
    await node.clock.run(3_600_000)
    expect(failures(node)).toBeLessThan(80)
    expect(failures(node)).toBeGreaterThan(50)
    follower.upstream.close()
    const failed = failures(node)
    await node.clock.run(3_600_000)
    expect(failures(node)).toBe(failed)
  })

  it('whose value is a promise has failed, and the promise’s rejection ends nothing', async () => {
    const node = oneNode(app({ actors: { shown } }))
    const follower = node.subscribe(A, 'late')
    await node.settle()
    expect(follower.answers).toMatchObject([{ ok: false, code: 'internal' }])
    expect(node.logged.at(-1)?.message).toContain('views are synchronous')
  })
})
