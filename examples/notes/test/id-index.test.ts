import fc from 'fast-check'
import { expect, test } from 'vitest'
import { emptyIndex, indexDelete, indexEntries, indexGet, indexSet, type IdIndex } from '../user/id-index.ts'

// Few ids, so that they meet; some of them are names of Object.prototype.
const id = fc.oneof(
  fc.integer({ min: 0, max: 400 }).map((n) => `id-${n}`),
  fc.constantFrom('__proto__', 'constructor', 'toString', ''),
)
const step = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant('set' as const), id, fc.integer()) },
  fc.tuple(fc.constant('delete' as const), id, fc.constant(0)),
)

test('the index is a map, whatever is set and deleted, and survives JSON', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
      const model = new Map<string, number>()
      let index: IdIndex = emptyIndex
      for (const [what, key, value] of steps) {
        index = what === 'set' ? indexSet(index, key, value) : indexDelete(index, key)
        if (what === 'set') model.set(key, value)
        else model.delete(key)
      }
      const read = JSON.parse(JSON.stringify(index)) as IdIndex
      expect(new Map(indexEntries(read))).toEqual(model)
      for (const [, key] of steps) expect(indexGet(read, key)).toBe(model.get(key))
    }),
    { numRuns: 200 },
  )
})

test('an older index is as it was after a newer one was made of it', () => {
  let index: IdIndex = emptyIndex
  const older: IdIndex[] = []
  for (let i = 0; i < 500; i++) {
    older.push(index)
    index = indexSet(index, `id-${i}`, i)
  }
  older.forEach((each, i) => expect([...indexEntries(each)].length).toBe(i))
})

test('adding the ten-thousandth id shares all but one path with what was there', () => {
  let index: IdIndex = emptyIndex
  for (let i = 0; i < 10_000; i++) index = indexSet(index, `id-${i}`, i)
  const nodes = new Set<object>()
  const walk = (node: IdIndex, visit: (each: object) => void): void => {
    visit(node)
    if ('children' in node) for (const child of node.children) if (child !== null) walk(child, visit)
  }
  walk(index, (node) => nodes.add(node))
  let fresh = 0
  walk(indexSet(index, 'another', 1), (node) => {
    if (!nodes.has(node)) fresh++
  })
  expect(fresh).toBeLessThanOrEqual(1 + 4 + 16) // the path, and a leaf that may split
})
