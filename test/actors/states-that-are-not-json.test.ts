import { describe, expect, it } from 'vitest'
import { actor, app } from '../../src/actors/define.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

class Money {
  cents = 1
}

const odd = actor('odd', {
  state: (): unknown => ({ notes: [] }),
  events: {
    set: { reduce: (_s: unknown, { what }: { what: string }) => makes[what]?.() ?? null },
    note: { reduce: (s: unknown) => ({ notes: [...(s as { notes: unknown[] }).notes, { at: new Date(0) }] }) },
  },
})
function cycle(): unknown {
  const list: unknown[] = []
  list.push({ list })
  return { list }
}
const shared = { n: 1 }
const makes: Readonly<Record<string, () => unknown>> = {
  date: () => ({ notes: [{ text: 'a' }, { at: new Date(0) }] }),
  map: () => ({ m: new Map([[1, 2]]) }),
  set: () => ({ a: { b: new Set() } }),
  class: () => ({ price: new Money() }),
  undefined: () => ({ last: undefined }),
  empty: () => ({ list: [1, undefined] }),
  // oxlint-disable-next-line no-sparse-arrays
  hole: () => ({ list: [1, , 2] }),
  function: () => ({ f: () => 1 }),
  NaN: () => ({ mean: NaN }),
  bytes: () => ({ raw: new Uint8Array(2) }),
  symbol: () => ({ 'a b': Symbol('x') }),
  cycle,
  big: () => ({ n: 10n }),
  fine: () => ({ a: [shared, shared, null, 'x', 1.5, true, { deep: [[]] }], none: Object.create(null) as unknown }),
}

const told = (node: OneNode): string[] => node.logged.filter(({ level }) => level === 'error').map(({ message }) => message)
const checked = (): OneNode => oneNode(app({ actors: { odd } }), {}, { check: true })

describe('dev says where a state is not JSON', () => {
  it.each([
    ['date', 'state.notes[1].at is a Date'],
    ['map', 'state.m is a Map'],
    ['set', 'state.a.b is a Set'],
    ['class', 'state.price is a Money'],
    ['undefined', 'state.last is undefined'],
    ['empty', 'state.list[1] is undefined'],
    ['hole', 'state.list[1] is undefined'],
    ['function', 'state.f is a function'],
    ['NaN', 'state.mean is NaN'],
    ['bytes', 'state.raw is a Uint8Array'],
    ['symbol', 'state["a b"] is a symbol'],
    ['cycle', 'state.list[0].list is state.list again: a cycle'],
  ])('%s', async (what, where) => {
    const node = checked()
    await during(node, node.send('odd/a', 'set', { what }))
    expect(told(node)[0]).toBe(`${where}: state must be JSON, or it is another after the next activation`)
    expect(node.engine.stats().counters['notJson']).toBe(1)
  })

  it('once for each place, whatever the actor and the position in a list', async () => {
    const node = checked()
    for (const id of ['odd/a', 'odd/b']) for (let i = 0; i < 3; i++) await during(node, node.send(id, 'note'))
    expect(told(node)).toEqual([expect.stringContaining('state.notes[0].at is a Date')])
    await during(node, node.send('odd/a', 'set', { what: 'map' }))
    expect(told(node).length).toBe(2)
  })

  it('and nothing of one that is, nor in production', async () => {
    const node = checked()
    await during(node, node.send('odd/a', 'set', { what: 'fine' }))
    const production = oneNode(app({ actors: { odd } }))
    await during(production, production.send('odd/a', 'set', { what: 'map' }))
    expect([told(node), told(production)]).toEqual([[], []])
  })
})

describe('a state that cannot be written at all', () => {
  it.each(['big', 'cycle'])('is not taken by dev: the event fails, nothing is recorded, and the actor goes on (%s)', async (what) => {
    const node = checked()
    await during(node, node.send('odd/a', 'set', { what: 'fine' }))
    expect(await during(node, node.send('odd/a', 'set', { what }))).toMatchObject({ ok: false, code: 'internal' })
    expect(await during(node, node.send('odd/a', 'set', { what: 'fine' }))).toMatchObject({ ok: true, offset: 2 })
    node.engine.kill()
    const next = node.another({ check: true })
    expect(await during(next, next.send('odd/a', 'set', { what: 'fine' }))).toMatchObject({ ok: true, offset: 3 })
  })

  it('is said, and folded, where production had taken it', async () => {
    const node = oneNode(app({ actors: { odd } }))
    await during(node, node.send('odd/a', 'set', { what: 'big' }))
    node.engine.kill()
    const dev = node.another({ check: true })
    expect(await during(dev, dev.send('odd/a', 'set', { what: 'fine' }))).toMatchObject({ ok: true, offset: 2 })
    expect(told(dev)).toEqual(['state.n is a bigint: state must be JSON, or it is another after the next activation'])
  })
})
