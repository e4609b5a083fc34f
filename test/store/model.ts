/** A store against a plain Map, over generated histories of several owners (fast-check; a failure prints its seed). */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sealBatch } from '../../src/actors/batch.ts'
import type { Store } from '../../src/store/store.ts'
import { claimOf, commitId, group } from './builder.ts'
import type { Place } from './contract.ts'

type Step =
  | {
      readonly do: 'commit'
      readonly appends: readonly {
        readonly actor: number
        readonly ahead: number
        readonly entries: number
        readonly hint: number | null
      }[]
    }
  | { readonly do: 'claim'; readonly actor: number }
  | { readonly do: 'snapshot'; readonly actor: number; readonly back: number }
  | { readonly do: 'check'; readonly actor: number; readonly from: number }

interface Known {
  batches: {
    readonly id: string
    readonly firstOffset: number
    readonly entries: number
    readonly hash: Uint8Array
    readonly ref: number
  }[]
  snap: number
}

const ACTORS = ['user/a', 'user/__proto__', 'user/ü', 'user/b', 'constructor']
const actor = fc.nat({ max: ACTORS.length - 1 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      appends: fc.array(
        fc.record({
          actor,
          ahead: fc.constantFrom(0, 0, 0, 0, 1, -1, -2),
          entries: fc.nat({ max: 3 }),
          hint: fc.option(fc.nat({ max: 9 })),
        }),
        { maxLength: 8 },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('claim' as const), actor }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('snapshot' as const), actor, back: fc.nat({ max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('check' as const), actor, from: fc.nat({ max: 30 }) }) },
)

export function storeModel(name: string, factory: () => Promise<Place>, numRuns = 60): void {
  test(`${name} behaves as a plain Map of journals`, async () => {
    const place = await factory()
    const stores = [await place.connect(), await place.connect()]
    let run = 0
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(step, fc.nat({ max: 1 })), { minLength: 5, maxLength: 40 }), async (steps) => {
          const model = new Model(`${run++}/`)
          for (const [one, connection] of steps) await model.step(stores[connection] as Store, one)
          for (let i = 0; i < ACTORS.length; i++) await model.check(stores[0] as Store, i, 1)
          await model.checkHints(stores[1] as Store)
        }),
        { numRuns },
      )
    } finally {
      await place.remove()
    }
  })
}

class Model {
  readonly #prefix: string
  readonly #known = new Map<string, Known>()
  readonly #hints: string[] = []

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  #of(index: number): { readonly actor: string; readonly known: Known } {
    const actor = this.#prefix + (ACTORS[index] as string)
    let known = this.#known.get(actor)
    if (known === undefined) this.#known.set(actor, (known = { batches: [], snap: 0 }))
    return { actor, known }
  }

  async step(store: Store, one: Step): Promise<void> {
    switch (one.do) {
      case 'commit':
        return this.#commit(store, one.appends)
      case 'claim': {
        const { actor, known } = this.#of(one.actor)
        const claim = claimOf()
        const loaded = await store.claim(actor, claim)
        expect(loaded.n).toBe(known.batches.length + 1)
        const [walked] = await store.walk(actor, loaded.n - 1, 1)
        known.batches.push({
          id: hex(claim.commitId),
          firstOffset: endOf(known) + 1,
          entries: 0,
          hash: walked?.hash ?? new Uint8Array(),
          ref: loaded.ref,
        })
        expect(loaded.batches.map(({ commitId: id }) => hex(id))).toEqual(known.batches.slice(known.snap).map(({ id }) => id))
        return
      }
      case 'snapshot': {
        const { actor, known } = this.#of(one.actor)
        const n = known.batches.length - one.back
        const batch = known.batches[n - 1]
        if (batch === undefined) return
        const offset = batch.firstOffset + batch.entries - 1
        await store.commit(
          group([], {
            snapshots: [{ actor, n, hash: batch.hash, bytes: Buffer.from(`state ${n}`), offset, ref: batch.ref, pages: new Map() }],
          }),
        )
        known.snap = Math.max(known.snap, n)
        return
      }
      case 'check':
        return this.check(store, one.actor, one.from)
    }
  }

  async #commit(store: Store, wanted: Extract<Step, { readonly do: 'commit' }>['appends']): Promise<void> {
    const lengths = new Map<string, number>()
    const expected: string[] = []
    const effects: ((ref: number) => void)[] = []
    const appends = wanted.map(({ actor: index, ahead, entries, hint }) => {
      const { actor, known } = this.#of(index)
      const length = lengths.get(actor) ?? known.batches.length
      // A second append of one actor in a group must follow the first, whose end the model knows only afterwards: so it is made to miss.
      const n = lengths.has(actor) ? length : Math.max(1, length + 1 + ahead)
      const id = commitId()
      const firstOffset = endOf(known) + 1
      const sealed = sealBatch(
        { flags: 0, n, epoch: 1, firstOffset, entries, commitId: id, previous: known.batches.at(-1)?.hash ?? null },
        '{}',
      )
      const fits = n === length + 1
      expected.push(fits ? 'committed' : 'taken')
      if (fits) {
        lengths.set(actor, n)
        effects.push((ref) => known.batches.push({ id: hex(id), firstOffset, entries, hash: sealed.hash, ref }))
        if (hint !== null) this.#hints.push(`${hint} ${actor} ${n}`)
      }
      return {
        actor,
        n,
        commitId: id,
        ...sealed,
        firstOffset,
        entries,
        mode: 'append' as const,
        prevRef: known.batches.at(-1)?.ref ?? 0,
        hintDue: hint,
      }
    })
    const { verdicts, ref } = await store.commit(group(appends))
    expect(verdicts).toEqual(expected)
    for (const effect of effects) effect(ref)
  }

  async check(store: Store, index: number, from: number): Promise<void> {
    const { actor, known } = this.#of(index)
    const { batches, snap } = known
    expect(await store.newest([actor])).toEqual([batches.length])
    expect((await store.walk(actor, 0, 1000)).map(({ hash }) => hex(hash))).toEqual(batches.map(({ hash }) => hex(hash)))
    const loaded = await store.load(actor)
    if (batches.length === 0) {
      expect(loaded).toBeNull()
      return
    }
    expect(loaded?.n).toBe(batches.length)
    expect(loaded?.snapshot?.n ?? 0).toBe(snap)
    expect(loaded?.batches.map(({ commitId: id }) => hex(id))).toEqual(batches.slice(snap).map(({ id }) => id))
    const held = batches.filter(({ firstOffset, entries }) => entries > 0 && firstOffset + entries > from)
    expect((await store.history(actor, from, 1e9)).map(({ commitId: id }) => hex(id))).toEqual(held.map(({ id }) => id))
    const n = 1 + (from % batches.length)
    expect(hex((await store.read(actor, n))?.commitId ?? new Uint8Array())).toBe(batches[n - 1]?.id)
  }

  async checkHints(store: Store): Promise<void> {
    const found = (await store.hints(100, 1_000_000))
      .filter((one) => one.actor.startsWith(this.#prefix))
      .map(({ due, actor: of, n }) => `${due} ${of} ${n}`)
    expect([...found].sort()).toEqual([...this.#hints].sort())
  }
}

function endOf({ batches }: Known): number {
  const last = batches.at(-1)
  return last === undefined ? 0 : last.firstOffset + last.entries - 1
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
