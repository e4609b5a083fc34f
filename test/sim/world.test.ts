/** The world itself: one order for one seed, and nothing that the heap did not schedule. */
import { expect, test } from 'vitest'
import { World } from './world.ts'

async function order(seed: number): Promise<string> {
  const world = new World(seed)
  const seen: string[] = []
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) world.after(5, () => seen.push(name))
  world.after(5, () => world.soon(() => seen.push('|')))
  world.after(1, () => seen.push('first'))
  world.after(2, () => seen.push('never')).run = null
  await world.run(10)
  expect(world.nowMs).toBe(10)
  return seen.join('')
}

test('events of one instant come in an order drawn from the seed, the same for the same seed', async () => {
  const orders = await Promise.all([1, 2, 3, 4, 5, 6].map(order))
  expect(await Promise.all([1, 2, 3, 4, 5, 6].map(order))).toEqual(orders)
  expect(new Set(orders).size).toBeGreaterThan(1)
  for (const seen of orders) expect(seen).toMatch(/^first[a-f]{6}\|$/)
})

test('promises that an event settles are done before the next event', async () => {
  const world = new World(1)
  const seen: string[] = []
  const chain = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await Promise.resolve()
    seen.push('settled')
  }
  world.after(1, () => {
    world.settled()
    void chain()
  })
  world.after(2, () => seen.push('next'))
  await world.run(3)
  expect(seen).toEqual(['settled', 'next'])
})

test('an event that throws ends the run with a violation', async () => {
  const world = new World(1)
  world.after(1, () => {
    throw new Error('broken')
  })
  world.after(2, () => world.stop())
  await world.run(10)
  expect(world.verdict.violation).toMatchObject({ property: 'no-throw', kind: 'safety' })
})
