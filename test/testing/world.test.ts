/** Worlds as users make them: calls, faults, the end. */
import { afterEach, describe, expect, it } from 'vitest'
import { app } from '../../src/index.ts'
import { simulate, SimulationError, TroupeError, type SimulateOptions, type World } from '../../src/testing.ts'
import { ledger, modes, sinners } from './ledger-app.ts'

type Ledger = typeof ledger

let open: World<never>[] = []
function world(options: SimulateOptions = {}): World<Ledger> {
  const made = simulate(ledger, { seed: 1, ...options })
  open.push(made as unknown as World<never>)
  return made
}

afterEach(async () => {
  const left = open
  open = []
  for (const one of left) await one.close()
})

const code = (expected: string): unknown => expect.objectContaining({ name: 'TroupeError', code: expected })

describe('calls', () => {
  it('send, query, history and subscribe do what the client does', async () => {
    const w = world()
    const counts: number[] = []
    const signals: number[] = []
    const feed: string[] = []
    const stop = await w.subscribe('user/alice', 'summary', ({ data }) => counts.push(data.count))
    await w.subscribe('user/alice', 'changed', ({ offset }) => signals.push(offset), { via: 'n2' })
    await w.subscribe('user/alice', 'feed', ({ data }) => feed.push(data.text), { from: 'start' })
    expect(await w.send('user/alice', 'note.added', { text: 'one' })).toEqual({ offset: 1, durable: true, duplicate: false })
    await Promise.all(['two', 'three'].map((text) => w.send('user/alice', 'note.added', { text })))
    expect(await w.query('user/alice', 'count')).toBe(3)
    expect(await w.query('user/alice', 'nth', 1)).toBe('two')
    const { entries, more } = await w.history('user/alice', { from: 2 })
    expect([entries.map(({ type, data }) => [type, data]), more]).toEqual([
      [
        ['note.added', { text: 'two' }],
        ['note.added', { text: 'three' }],
      ],
      false,
    ])
    await w.advance(500)
    expect([counts[0], counts.at(-1), signals.at(-1), feed]).toEqual([0, 3, 3, ['one', 'two', 'three']])
    stop()
    await w.send('user/alice', 'note.added', { text: 'four' })
    await w.advance(500)
    expect([counts.at(-1), signals.at(-1)]).toEqual([3, 4])
  })

  it('a refusal is the client’s typed error, and a key makes a repeat harmless, through whichever node', async () => {
    const w = world()
    await expect(w.send('user/alice', 'note.added', { text: '' })).rejects.toThrow(
      expect.objectContaining({ code: 'refused', reason: 'empty' }),
    )
    const first = await w.send('user/alice', 'note.added', { text: 'x' }, { key: 'k', via: 'n1' })
    expect(await w.send('user/alice', 'note.added', { text: 'x' }, { key: 'k', via: 'n3' })).toEqual({ ...first, duplicate: true })
    await expect(w.send('user/alice', 'note.added', { text: 'y' }, { key: 'k' })).rejects.toThrow(code('conflict') as Error)
  })

  it('`as` is judged by the app, the world itself is not', async () => {
    const closed = app({
      actors: ledger.actors,
      authorize: (who, action, { actor: target }) => action === 'query' && target === who.actor,
    })
    await using w = simulate(closed, { seed: 1, nodes: 1 })
    await w.send('user/alice', 'note.added', { text: 'x' })
    expect(await w.query('user/alice', 'count', undefined, { as: 'alice' })).toBe(1)
    await expect(w.query('user/alice', 'count', undefined, { as: 'bob' })).rejects.toThrow(code('denied') as Error)
    await expect(w.send('user/alice', 'note.added', { text: 'y' }, { as: 'alice' })).rejects.toThrow(code('denied') as Error)
    await expect(w.subscribe('user/alice', 'summary', () => undefined, { as: 'bob' })).rejects.toThrow(code('denied') as Error)
  })

  it('what no node can answer times out, in virtual time', async () => {
    const w = world({ nodes: 2 })
    w.freeze('n1')
    w.freeze('n2')
    const before = w.now
    await expect(w.send('user/alice', 'note.added', { text: 'x' }, { timeoutMs: 7000 })).rejects.toThrow(code('timeout') as Error)
    expect(w.now - before).toBeGreaterThanOrEqual(7000)
  })
})

describe('time', () => {
  it('passes only as it is told, and timers come when they are due', async () => {
    const w = world()
    await w.send('user/alice', 'note.added', { text: 'x' })
    const before = w.now
    await w.advance(19_000)
    expect(w.now - before).toBe(19_000)
    expect(await w.query('user/alice', 'digests')).toBe(0)
    await w.advance(2_000)
    expect(await w.query('user/alice', 'digests')).toBe(1)
  })

  it('one seed is one world; another seed is another', async () => {
    const run = async (seed: number): Promise<readonly string[]> => {
      const w = simulate(ledger, { seed, faults: { crashes: 10, freezes: 5, cuts: 5, store: 0.05 } })
      await w.subscribe('user/alice', 'summary', () => undefined)
      for (let i = 0; i < 5; i++) {
        await Promise.allSettled(['alice', 'bob'].map((key) => w.send(`user/${key}`, 'note.added', { text: String(i) })))
        await w.advance(4000)
      }
      await w.close()
      return w.trace()
    }
    const [first, again, other] = [await run(5), await run(5), await run(6)]
    expect(first.length).toBeGreaterThan(50)
    expect(again).toEqual(first)
    expect(other).not.toEqual(first)
  })

  it('the seed of the environment is taken where none is named', () => {
    process.env['TROUPE_SEED'] = '4711'
    try {
      expect(simulate(ledger).seed).toBe(4711)
      expect(simulate(ledger, { seed: 2 }).seed).toBe(2)
      process.env['TROUPE_SEED'] = 'x'
      expect(() => simulate(ledger)).toThrow('a seed is a whole number')
    } finally {
      delete process.env['TROUPE_SEED']
    }
  })
})

describe('nodes', () => {
  it('a crash loses nothing that was acknowledged; another node takes over, and the first comes back', async () => {
    const w = world()
    const counts: number[] = []
    await w.subscribe('user/alice', 'summary', ({ data }) => counts.push(data.count))
    await w.send('user/alice', 'note.added', { text: 'x' })
    const owner = await w.ownerOf('user/alice')
    w.crash(owner)
    expect(w.nodes.find(({ name }) => name === owner)?.state).toBe('down')
    expect(await w.query('user/alice', 'count')).toBe(1)
    expect(await w.ownerOf('user/alice')).not.toBe(owner)
    await w.send('user/alice', 'note.added', { text: 'y' })
    await w.restart(owner)
    await w.settle()
    expect(counts.at(-1)).toBe(2)
    expect(w.nodes.map(({ state }) => state)).toEqual(['up', 'up', 'up'])
    await expect(w.restart(owner)).rejects.toThrow('is up')
  })

  it('all of them may crash: the store has it', async () => {
    const w = world({ nodes: 2 })
    await w.send('user/alice', 'note.added', { text: 'x' })
    w.crash('n1')
    w.crash('n2')
    await w.settle()
    expect(await w.query('user/alice', 'count')).toBe(1)
  })

  it('a drained node hands over and leaves; a node that joins gets its share', async () => {
    const w = world({ nodes: 2 })
    const keys = Array.from({ length: 20 }, (_, i) => `user/u${i}` as const)
    for (const key of keys) await w.send(key, 'note.added', { text: 'x' })
    await w.join('n3')
    await w.settle()
    const owners = new Set(await Promise.all(keys.map((key) => w.ownerOf(key))))
    expect([...owners].sort()).toEqual(['n1', 'n2', 'n3'])
    await w.drain('n1')
    expect(w.nodes.find(({ name }) => name === 'n1')).toEqual({ name: 'n1', state: 'down', actors: 0 })
    for (const key of keys) expect(await w.ownerOf(key)).not.toBe('n1')
    expect(await w.query('total/all', 'count')).toBe(20)
  })

  it('a node that was frozen and declared dead comes back without its old actors', async () => {
    const w = world()
    await w.send('user/alice', 'note.added', { text: 'x' })
    const owner = await w.ownerOf('user/alice')
    w.freeze(owner)
    const other = owner === 'n1' ? 'n2' : 'n1'
    await w.send('user/alice', 'note.added', { text: 'y' }, { via: other })
    await w.advance(60_000)
    w.thaw(owner)
    await w.settle()
    expect(await w.query('user/alice', 'count', undefined, { strict: true })).toBe(2)
  })

  it('two nodes that do not hear each other both serve, and nothing is taken twice', async () => {
    const w = world({ nodes: 2 })
    w.cut('n1', 'n2')
    await w.advance(60_000)
    for (let i = 0; i < 3; i++)
      await Promise.all(['n1', 'n2'].map((via) => w.send('user/alice', 'note.added', { text: `${via} ${i}` }, { via })))
    w.heal()
    await w.settle()
    expect(await w.query('user/alice', 'count')).toBe(6)
  })
})

describe('the store', () => {
  it.each(['before', 'after', 'unknown'] as const)('a write that fails %s loses and doubles nothing', async (how) => {
    const w = world()
    await w.send('user/alice', 'note.added', { text: 'x' })
    w.store.fail(how, 3)
    await w.send('user/alice', 'note.added', { text: 'y' })
    await w.settle()
    expect(await w.query('user/alice', 'count')).toBe(2)
    expect(await w.query('total/all', 'count')).toBe(2)
    expect(w.trace().some((line) => line.includes('writes to the store fail'))).toBe(true)
  })
})

describe('faults by themselves', () => {
  it.each([11, 12, 13])('seed %i: whatever happens, the promises hold', async (seed) => {
    const w = world({ seed, faults: { crashes: 8, freezes: 5, cuts: 5, store: 0.03 } })
    await w.subscribe('user/alice', 'feed', () => undefined, { from: 'start' })
    await w.subscribe('user/alice', 'summary', () => undefined, { as: 'alice' })
    for (let i = 0; i < 10; i++) {
      await Promise.allSettled(['alice', 'bob', 'alice'].map((key, j) => w.send(`user/${key}`, 'note.added', { text: `${i}.${j}` })))
      await w.advance(3000)
    }
    await w.close()
    expect(w.trace().some((line) => /crashes|freezes|is cut/.test(line))).toBe(true)
  })
})

describe('the weaker modes', () => {
  it.each([21, 22])('seed %i: are held to what they promise, and blamed for nothing else', async (seed) => {
    await using w = simulate(modes, { seed, options: { snapshotEntries: 4 }, faults: { crashes: 6, freezes: 4, cuts: 4, store: 0.02 } })
    const actors = ['behind/a', 'bare/a', 'short/a'] as const
    for (const actor of actors) {
      await w.subscribe(actor, 'sum', () => undefined)
      await w.subscribe(actor, 'feed', () => undefined, { from: 'start' })
    }
    for (let i = 0; i < 12; i++) {
      await Promise.allSettled(actors.map((actor) => w.send(actor, 'add', 1)))
      await w.advance(2000)
    }
  })
})

describe('what the kit finds', () => {
  const sins = [
    ['lucky', null, /'lucky'.*gave another state/],
    ['dated', null, /'dated'.*at offset 2 of sinner\/a/],
    ['counting', null, /'counting'.*ctx\.now/],
    ['changing', 5, /'changing' of 'sinner' changes the state/],
    ['mapped', null, /not JSON/],
  ] as const
  it.each(sins)('a reducer that is %s', async (type, data, what) => {
    const w = simulate(sinners, { seed: 3, nodes: 2 })
    await w.send('sinner/a', 'honest', 1)
    const failure: unknown = await (async () => {
      await w.send('sinner/a', type, data as never)
      await w.close()
    })().catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(SimulationError)
    const { property, message, seed, trace } = failure as SimulationError
    expect([property, seed]).toEqual(['purity', 3])
    expect(message).toMatch(what)
    expect(message).toContain('simulate(app, { seed: 3 })')
    expect(trace.length).toBeGreaterThan(10)
    await w.close({ check: false })
  })

  it('an honest reducer is blamed for nothing', async () => {
    await using w = simulate(sinners, { seed: 3, nodes: 2 })
    await w.send('sinner/a', 'honest', 1)
    w.crash(await w.ownerOf('sinner/a'))
    await w.send('sinner/a', 'honest', 2)
  })

  it('what a subscriber throws, such as a failed expectation', async () => {
    const w = simulate(ledger, { seed: 3, nodes: 1 })
    await w.subscribe('user/alice', 'summary', ({ data }) => expect(data.count).toBe(0))
    const sent = (async () => {
      await w.send('user/alice', 'note.added', { text: 'x' })
      await w.advance(1000)
    })()
    await expect(sent).rejects.toThrow(
      expect.objectContaining({ property: 'no-throw', message: expect.stringContaining('expected 1 to be') }),
    )
    await w.close({ check: false })
  })
})

describe('wrong use', () => {
  it.each([
    [{ nodes: 0 }, 'nodes'],
    [{ nodes: 33 }, 'nodes'],
    [{ seed: -1 }, 'seed'],
    [{ seeds: 1 }, "no option 'seeds'"],
    [{ faults: { crash: 1 } }, "no faults 'crash'"],
    [{ faults: { store: 2 } }, 'faults.store'],
    [{ options: { idleMs: -1 } }, 'idleMs'],
  ])('%j', (options, what) => {
    expect(() => simulate(ledger, options as SimulateOptions)).toThrow(what)
  })

  it('names that are not there, worlds that are closed', async () => {
    const w = world({ nodes: 1 })
    expect(() => w.crash('n9')).toThrow('there is no node n9; there are n1')
    await expect(w.send('user/a', 'note.added', { text: 'x' }, { via: 'n9' })).rejects.toThrow('no node n9')
    await expect(w.join('N 1')).rejects.toThrow('name')
    await expect(w.advance(-1)).rejects.toThrow('milliseconds')
    expect(() => w.store.fail('never' as 'before')).toThrow('never')
    await w.close()
    await w.close()
    await expect(w.query('user/a', 'count')).rejects.toThrow(TroupeError)
  })

  it('is typed by the app', () => {
    const w = {} as World<Ledger>
    const types = (): unknown[] => [
      // @ts-expect-error there is no such event
      w.send('user/alice', 'note.lost', {}),
      // @ts-expect-error there is no such actor type
      w.send('nobody/alice', 'note.added', { text: '' }),
      // @ts-expect-error its data is { text }
      w.send('user/alice', 'note.added', { words: '' }),
      // @ts-expect-error total has no such query
      w.query('total/all', 'nth', 1),
      // @ts-expect-error there is no such topic
      w.subscribe('user/alice', 'news', () => undefined),
    ]
    expect(types).toBeTypeOf('function')
  })
})
