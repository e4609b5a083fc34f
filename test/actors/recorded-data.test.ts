import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { actor, app } from '../../src/actors/define.ts'
import { asRecorded, dataOf, jsonOf } from '../../src/actors/recorded.ts'
import { during, oneNode } from './one-node.ts'

class Point {
  x = 1
}
const bytes = new Uint8Array([1, 2, 3])

/** What the state is after one event: a text that tells apart what JSON does not. */
function told(data: unknown): string {
  if (typeof data === 'number') return Object.is(data, -0) ? 'number -0' : `number ${data}`
  if (typeof data !== 'object' || data === null) return `${typeof data} ${String(data)}`
  const { name } = data.constructor
  return `${name} {${Object.entries(data)
    .map(([key, part]) => `${key}: ${told(part)}`)
    .join(', ')}}`
}

const seen = actor('seen', {
  state: () => '',
  events: {
    plain: { reduce: (_s: string, data: unknown) => told(data) },
    inPlace: {
      schema: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: (value) => {
            Object.assign(value as object, { when: new Date(0), n: -0, extra: undefined })
            return { value: value as object }
          },
        },
      },
      reduce: (_s: string, data: object) => told(data),
    },
    zod: {
      schema: z.object({ when: z.string().transform((text) => new Date(text)), n: z.number().optional() }),
      reduce: (_s: string, data: object) => told(data),
    },
  },
  queries: { told: (s) => s },
})

describe('the data that a reducer sees is what folding will show it (J8)', () => {
  it.each([
    ['-0', -0],
    ['-0 within', { n: [-0, 1] }],
    ['undefined within', { a: undefined, b: 1 }],
    ['undefined in an array', [undefined, 1]],
    // oxlint-disable-next-line no-sparse-arrays -- it is what is tested
    ['a hole', [1, , 2]],
    ['NaN', NaN],
    ['Infinity within', { n: Infinity }],
    ['a Date', new Date(0)],
    ['a Date within', { at: [new Date(0)] }],
    ['a Map', { m: new Map([[1, 2]]) }],
    ['an object of a class', new Point()],
    ['an object without prototype', Object.assign(Object.create(null) as object, { a: 1 })],
    ['an object that says how it is written', { a: 1, toJSON: () => ({ b: 2 }) }],
    ['a function within', { f: () => 1, b: 2 }],
    ['bytes', bytes],
    ['bytes of a Buffer', Buffer.from(bytes)],
    ['bytes within', { b: bytes }],
    ['what looks like bytes', { $bytes: 'AQID' }],
    ['what nearly looks like bytes', { $bytes: 'AQID', a: 1 }],
    ['what looks like bytes within', { a: { $bytes: 'AQID' } }],
    ['a name that is not quite a name', JSON.parse('{"__proto__":{"a":1},"constructor":2}') as unknown],
    ['nothing', undefined],
  ])('%s', async (_what, data) => {
    const node = oneNode(app({ actors: { seen } }))
    expect(await during(node, node.send('seen/a', 'plain', data))).toMatchObject({ ok: true })
    const live = await during(node, node.query('seen/a', 'told'))
    expect(await during(node, node.another().query('seen/a', 'told'))).toEqual(live)
    expect(live).toMatchObject({ ok: true, offset: 1 })
  })

  it.each(['inPlace', 'zod'])('also what a schema made of it, in place or anew: %s', async (type) => {
    const node = oneNode(app({ actors: { seen } }))
    expect(await during(node, node.send('seen/a', type, { when: '1970-01-01T00:00:00.000Z' }))).toMatchObject({ ok: true })
    const live = await during(node, node.query('seen/a', 'told'))
    expect(live).toMatchObject({ ok: true, json: expect.stringContaining('when: string 1970-01-01T00:00:00.000Z') as string })
    expect(await during(node, node.another().query('seen/a', 'told'))).toEqual(live)
  })

  it('whatever JSON can carry; plain data is not copied', () => {
    const anything = fc.anything({ withDate: true, withMap: true, withSparseArray: true, withNullPrototype: true, withTypedArray: true })
    fc.assert(
      fc.property(fc.oneof(anything, fc.jsonValue()), (data) => {
        let json: string
        try {
          json = jsonOf(data, 'test')
        } catch {
          return // refused before it is taken
        }
        expect(asRecorded(data ?? null, json)).toStrictEqual(dataOf(JSON.parse(json)))
      }),
      { numRuns: 1000 },
    )
    const plain = { a: [1, { b: 'c' }, null, true], d: 1.5 }
    expect(asRecorded(plain, jsonOf(plain, 'test'))).toBe(plain)
  })
})
