/** The checks themselves: each is shown evidence in which its promise is broken, beside some in which it holds. */
import { beforeAll, describe, expect, it } from 'vitest'
import { createEngine } from '../../src/actors/engine.ts'
import { silentLog } from '../../src/base/log.ts'
import { resolveOptions } from '../../src/options.ts'
import { memoryStore, type MemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { alwaysBroken, notYet, type Evidence } from '../../src/testing/checks.ts'
import { newFollower, type Ack, type Follower } from '../../src/testing/clients.ts'
import { Driver } from '../../src/testing/driver.ts'
import { elsewhere } from '../../src/base/elsewhere.ts'
import { Journals } from '../../src/testing/journal.ts'
import type { NodeProcess } from '../../src/testing/process.ts'
import { VirtualTime } from '../../src/testing/virtual-time.ts'
import { ledger } from './ledger-app.ts'

const options = resolveOptions()
const store: MemoryStore = memoryStore()
const time = new VirtualTime('checks')
let acks: Ack[] = []

/** Two notes of alice, sent by a session, with their effects and timer. */
beforeAll(async () => {
  const driver = new Driver(time, (error) => {
    throw error
  })
  const engine = createEngine({
    app: ledger,
    store,
    clock: time,
    random: time.random('engine'),
    log: silentLog,
    options,
    node: 'n1',
    generation: 1,
    storeId: 'checks',
    check: true,
  })
  engine.start()
  for (const [seq, text] of [[1, 'one'] as const, [2, 'two'] as const]) {
    let done = false
    engine.send(
      { actor: 'user/alice', type: 'note.added', data: { text }, sender: 'user:test', source: 'session:s', seq, base: 1 },
      (outcome) => {
        if (!outcome.ok) throw new Error(outcome.message)
        const { ok: _, ...sent } = outcome
        acks.push({ actor: 'user/alice', type: 'note.added', json: JSON.stringify({ text }), ...sent })
        done = true
      },
    )
    await driver.until(() => done, 1000)
  }
  await driver.until(() => false, 15_000) // that the send to the total arrived is written a little later
})

function evidence(more: Partial<Evidence> & { readonly store?: Partial<Store> } = {}): Evidence {
  const { store: changes, ...rest } = more
  const seen = new Proxy(store, {
    get: (target, name) => {
      const changed = changes?.[name as keyof Store]
      const value: unknown = changed ?? Reflect.get(target, name, target)
      return typeof value === 'function' ? (value as () => unknown).bind(target) : value
    },
  })
  return { journals: new Journals(seen, ledger, options), options, acks, followers: [], processes: [], now: time.now(), ...rest }
}

function follower(topic: string, more: Partial<Follower>): Follower {
  return { ...newFollower('test', 'user/alice', topic, undefined), seen: 2, from: 0, ...more }
}

const broken = (property: string, what: string): unknown => ({ property, what: expect.stringContaining(what) as string })
const ack = (more: Partial<Ack>): Ack => ({ ...(acks[0] as Ack), ...more })

describe('always', () => {
  it('holds', async () => {
    expect(acks.map(({ offset }) => offset)).toEqual([1, 2])
    expect(await alwaysBroken(evidence())).toBeNull()
  })

  it.each([
    [{ offset: 3 }, 'ends at 2'],
    [{ json: '{"text":"other"}' }, 'there is \'note.added\' {"text":"one"}'],
    [{ type: 'digest.due' }, "there is 'note.added'"],
    [{}, 'so was another event'],
  ])('acknowledged-once: an acknowledgement %j', async (more, what) => {
    expect(await alwaysBroken(evidence({ acks: [...acks, ack(more)] }))).toEqual(broken('acknowledged-once', what))
  })

  it('acknowledged-once: a repeat is told the first one’s offset', async () => {
    expect(await alwaysBroken(evidence({ acks: [...acks, ack({ duplicate: true })] }))).toBeNull()
  })

  it('hash-chain: a changed byte', async () => {
    const walk: Store['walk'] = async (actor, after, limit) => {
      const batches = await store.walk(actor, after, limit)
      return batches.map((batch) => {
        if (actor !== 'user/alice' || batch.n !== 2 || batch.bytes === null) return batch
        const bytes = Uint8Array.from(batch.bytes)
        const last = bytes.length - 3
        bytes[last] = (bytes[last] ?? 0) ^ 1
        return { ...batch, bytes }
      })
    }
    expect(await alwaysBroken(evidence({ store: { walk } }))).toEqual(broken('hash-chain', 'user/alice'))
  })

  it('acknowledged-once: one number in the journal twice', async () => {
    const journals = evidence().journals
    const read = journals.read.bind(journals)
    journals.read = async (actor) => {
      const journal = await read(actor)
      const [first] = journal?.entries ?? []
      return journal === null || first === undefined ? journal : { ...journal, entries: [...journal.entries, { ...first, offset: 3 }] }
    }
    expect(await alwaysBroken(evidence({ journals }))).toEqual(broken('acknowledged-once', 'twice, at offsets 1 and 3'))
  })
})

describe('at rest', () => {
  it('holds', async () => {
    const followers = [
      follower('feed', { offsets: [1, 2] }),
      follower('changed', {}),
      follower('summary', { newest: { journal: '', offset: 2, data: { count: 2 } } }),
    ]
    expect(await notYet(evidence({ followers }))).toBeNull()
  })

  it.each([
    ['feed', { offsets: [1] }, 'has got the offsets 1; due are 1 2'],
    ['feed', { offsets: [1, 2, 2] }, 'has got the offsets 1 2 2'],
    ['feed', { offsets: [2, 1] }, 'has got the offsets 2 1'],
    ['changed', { seen: 1 }, 'has heard of offset 1; it changed at 2'],
    ['changed', { seen: -1 }, 'not subscribed'],
    ['summary', { newest: { journal: '', offset: 1, data: { count: 1 } } }, 'has {"count":1}; it is {"count":2}'],
  ])('newest-state: who follows %s and has %j', async (topic, more, what) => {
    expect(await notYet(evidence({ followers: [follower(topic, more)] }))).toEqual(broken('newest-state', what))
  })

  it('newest-state: a gap that was told of, and who does not follow any more, are fine', async () => {
    const gap = { actor: 'user/alice', topic: 'feed', from: 1, to: 1, journalChanged: false }
    const followers = [follower('feed', { offsets: [2], gaps: [gap] }), follower('feed', { open: false })]
    expect(await notYet(evidence({ followers }))).toBeNull()
  })

  it('owed: a timer that has not fired', async () => {
    expect(await notYet(evidence({ now: time.now() + 9_000 }))).toBeNull()
    expect(await notYet(evidence({ now: time.now() + 11_000 }))).toEqual(broken('owed', "timer 'digest' of user/alice"))
  })

  it('owed: a send between actors that has not arrived', async () => {
    const journals = evidence().journals
    const read = journals.read.bind(journals)
    journals.read = async (actor) => {
      const journal = await read(actor)
      return journal === null || actor !== 'total/all' ? journal : { ...journal, entries: journal.entries.slice(1) }
    }
    expect(await notYet(evidence({ journals }))).toEqual(
      broken('owed', "'counted' to total/all (its number 1), which is in the journal 0 times"),
    )
  })

  it('live-state: another state in memory', async () => {
    const inspect = (state: unknown, offset: number) => () => Promise.resolve({ ok: true, active: true, state, offset })
    const process = (state: unknown, offset = 2): NodeProcess =>
      ({
        name: 'n1',
        state: 'up',
        member: { engine: { activations: () => [{ actor: 'user/alice', busy: 0 }], inspect: inspect(state, offset) } },
      }) as unknown as NodeProcess
    const same = { notes: ['one', 'two'], digests: 0 }
    expect(await notYet(evidence({ processes: [process(same)] }))).toBeNull()
    expect(await notYet(evidence({ processes: [process({ ...same, digests: 1 })] }))).toEqual(broken('live-state', '"digests":1'))
    expect(await notYet(evidence({ processes: [process(same, 3)] }))).toEqual(broken('live-state', 'at offset 3; its journal ends at 2'))
    // It may be behind, if it has what was there then.
    expect(await notYet(evidence({ processes: [process({ notes: ['one'], digests: 0 }, 1)] }))).toBeNull()
    expect(await notYet(evidence({ processes: [process(same, 1)] }))).toEqual(broken('live-state', 'its journal makes {"notes":["one"]'))
  })
})

describe('elsewhere', () => {
  it('has another time and other luck, and leaves this one as it was', () => {
    const before = [globalThis.Date, Math.random] as const
    const there = elsewhere(() => ({
      now: Date.now(),
      made: new Date().getTime(),
      given: new Date(5).getTime(),
      is: new Date() instanceof Date,
    }))
    expect([there.now - Date.now() > 86_400_000, there.made - Date.now() > 86_400_000, there.given, there.is]).toEqual([
      true,
      true,
      5,
      true,
    ])
    expect(elsewhere(() => Math.random())).toBe(elsewhere(() => Math.random()))
    expect(() =>
      elsewhere(() => {
        throw new Error('of the test')
      }),
    ).toThrow('of the test')
    expect([globalThis.Date, Math.random]).toEqual(before)
  })
})

describe('virtual time', () => {
  it('runs events in order, those of one instant as the seed says, and forgets what was cancelled', () => {
    const order = (seed: string): string => {
      const virtual = new VirtualTime(seed)
      const ran: string[] = []
      for (let i = 0; i < 3000; i++) virtual.after(50, () => ran.push('cancelled')).cancel()
      virtual.after(2, () => ran.push('late'))
      for (const name of 'abcdef') virtual.after(1, () => ran.push(name))
      virtual.after(1, () => virtual.soon(() => ran.push('soon')))
      while (virtual.step(100));
      expect(virtual.mono()).toBe(100)
      return ran.join(' ')
    }
    expect(order('1')).toMatch(/^([a-f] ){6}soon late$/)
    expect(order('1')).toBe(order('1'))
    expect(new Set(['1', '2', '3'].map(order)).size).toBe(3)
  })
})
