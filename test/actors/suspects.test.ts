/** C4: what is given again after a commit failed, and how much of it at once. */
import { describe, expect, it } from 'vitest'
import { Suspects } from '../../src/actors/suspects.ts'
import type { StoreCall } from '../../src/store/memory.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode } from './one-node.ts'

const MOST = 64

/** Takes the next turn, as the committer does. */
function take(suspects: Suspects<number>, othersWait = false): number[] | null {
  const turn = suspects.turn(othersWait)
  if (turn === null) return null
  const taken = [...turn.from].slice(0, turn.limit)
  for (const member of taken) turn.from.delete(member)
  return taken
}

const numbers = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i)

describe('suspects', () => {
  it('go one, two, four … together after each success', () => {
    const suspects = new Suspects<number>()
    suspects.failed(numbers(0, 100), true)
    suspects.add(numbers(0, 100))
    const sizes: number[] = []
    for (let group = take(suspects); group !== null; group = take(suspects)) {
      sizes.push(group.length)
      suspects.settled(group, MOST)
    }
    expect(sizes).toEqual([1, 2, 4, 8, 16, 32, 37])
  })

  it('are halved after each failure, and never more than the bound', () => {
    const suspects = new Suspects<number>()
    for (let i = 0; i < 10; i++) suspects.settled([], MOST)
    suspects.add(numbers(0, 200))
    const sizes: number[] = []
    for (let i = 0; i < 8; i++) {
      const group = take(suspects) ?? []
      sizes.push(group.length)
      suspects.failed(group, i === 0)
      suspects.add(group)
    }
    expect(sizes).toEqual([64, 32, 16, 8, 4, 2, 1, 1])
  })

  it('what failed alone after a success is tried by itself from then on, in turn with the others, until it is taken', () => {
    const suspects = new Suspects<number>()
    suspects.failed([7], true)
    suspects.add([7])
    suspects.add(numbers(0, 3))
    expect([take(suspects), take(suspects)]).toEqual([[7], [0]])
    suspects.settled([0], MOST)
    suspects.add([7])
    expect([take(suspects), take(suspects, true)]).toEqual([[7], [1, 2]])
    suspects.failed([7], false)
    suspects.add([7])
    expect([take(suspects), take(suspects)]).toEqual([[7], null])
    suspects.add([7])
    expect([take(suspects), suspects.size]).toEqual([[7], 0])
    suspects.add([7])
    expect([take(suspects, true), take(suspects, true)]).toEqual([null, [7]])
    suspects.settled([7], MOST)
    suspects.add([7, 8])
    expect(take(suspects)).toEqual([7, 8])
  })

  it('of an outage nobody is to blame: who failed alone when nothing went well before goes with the others', () => {
    const suspects = new Suspects<number>()
    suspects.failed([1], false)
    suspects.add([1, 2])
    suspects.settled([0], MOST)
    expect(take(suspects)).toEqual([1, 2])
  })
})

describe('a node after an outage', () => {
  const ACTORS = 200
  const ids = Array.from({ length: ACTORS }, (_, i) => `counter/${i}`)
  const batchesOf = (call: StoreCall): number => (call.op === 'commit' ? call.group.appends.length : 0)

  it.each(['refused', 'unknown-before', 'unknown-after'] as const)('writes all that is in doubt in a few commits (%s)', async (kind) => {
    const node = oneNode(counterApp, { sendTimeoutMs: 60_000, storePatienceMs: 60_000 })
    for (const id of ids) await during(node, node.send(id, 'add'))
    let failed = 0
    node.fault = (call) => {
      if (batchesOf(call) > 0) failed++
      return call.op === 'commit' ? { kind } : null
    }
    const sends = Promise.all(ids.map((id) => node.send(id, 'add')))
    await node.clock.run(10_000)
    expect(failed).toBeGreaterThan(3)
    let commits = 0
    node.fault = (call) => {
      if (batchesOf(call) > 0) commits++
      return null
    }
    const answers = await during(node, sends)
    expect(answers.filter(({ ok }) => ok)).toHaveLength(ACTORS)
    expect(commits).toBeLessThan(30)
  })

  it('one batch that the store never takes ends alone; all others are written, and later ones in whole groups', async () => {
    const node = oneNode(counterApp, { sendTimeoutMs: 60_000, storePatienceMs: 60_000 })
    const poison = 'counter/7'
    for (const id of ids) await during(node, node.send(id, 'add'))
    const sizes: number[] = []
    node.fault = (call) => {
      if (call.op !== 'commit' || call.group.appends.length === 0) return null
      const spoilt = call.group.appends.some(({ actor }) => actor === poison)
      if (spoilt) sizes.push(call.group.appends.length)
      return spoilt ? { kind: 'refused' } : null
    }
    const others = ids.filter((id) => id !== poison)
    void node.send(poison, 'add')
    const first = await during(node, Promise.all(others.map((id) => node.send(id, 'add'))), 30_000)
    expect(first.filter(({ ok }) => ok)).toHaveLength(others.length)
    await node.clock.run(700)
    expect(sizes.at(-1)).toBe(1)
    const before = sizes.length
    const second = await during(node, Promise.all(others.map((id) => node.send(id, 'add'))), 30_000)
    expect(second.filter(({ ok }) => ok)).toHaveLength(others.length)
    expect(sizes.slice(before).every((size) => size === 1)).toBe(true)
  })
})
