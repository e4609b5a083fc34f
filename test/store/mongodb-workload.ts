/**
 * Owners that write the same actors against each other through several connections, each by the rules of the engine: a place taken is looked at (J4),
 * what is unknown or refused is given again byte for byte, who is fenced claims (J2). Whatever happens to the database meanwhile, every batch that was
 * acknowledged must be in its journal once, at its place, and every journal whole.
 */
import { expect } from 'vitest'
import type { Append, Store } from '../../src/store/store.ts'
import { claimOf, group, same, verifyJournal, Writer } from './builder.ts'

export interface Worked {
  /** Acknowledged appends, in all. */
  readonly acknowledged: number
  readonly fenced: number
  /** Answers other than 'committed' and 'taken', and calls that failed. */
  readonly troubles: number
}

export interface Work {
  readonly actors: number
  /** Acknowledged appends of each owner. */
  readonly each: number
  /** Looks at the end; default the first of the stores. */
  readonly judge?: Store
  /** Called after each round of an owner with the number acknowledged so far: to disturb, or to stop that. */
  readonly after?: (acknowledged: number) => void | Promise<void>
}

export async function work(
  stores: readonly Store[],
  { actors, each, judge = stores[0] as Store, after = () => undefined }: Work,
): Promise<Worked> {
  const names = Array.from({ length: actors }, (_, i) => `work/${i}`)
  const acknowledged: Append[] = []
  let [fenced, troubles] = [0, 0]

  const claimed = async (store: Store, owner: number, actor: string): Promise<Writer> => {
    for (;;)
      try {
        return Writer.of(actor, await store.claim(actor, claimOf(`node-${owner}`)))
      } catch {
        troubles++
      }
  }
  /** Whether the place holds this very append; asked until there is an answer. */
  const isOwn = async (store: Store, { actor, n, commitId }: Append): Promise<boolean> => {
    for (;;)
      try {
        const found = await store.read(actor, n)
        return found !== null && same(found.commitId, commitId)
      } catch {
        troubles++
      }
  }
  const own = async (store: Store, owner: number): Promise<void> => {
    const writers = new Map<string, Writer>()
    let open = new Map<string, Append>()
    for (let done = 0, round = 0; done < each; round++) {
      for (const actor of names.filter((name) => !writers.has(name))) writers.set(actor, await claimed(store, owner, actor))
      for (const [actor, writer] of writers) if (!open.has(actor)) open.set(actor, writer.next(`${owner} ${round}`))
      const appends = [...open.values()]
      const verdicts = await store.commit(group(appends)).then(
        (result) => result.verdicts,
        () => appends.map(() => 'unknown' as const),
      )
      const left = new Map<string, Append>()
      for (const [i, append] of appends.entries()) {
        const verdict = verdicts[i]
        if (verdict === 'committed' || (verdict === 'taken' && (await isOwn(store, append)))) {
          writers.get(append.actor)?.done(append, 0)
          acknowledged.push(append)
          done++
        } else if (verdict === 'taken') {
          writers.delete(append.actor)
          fenced++
        } else {
          troubles++
          left.set(append.actor, append)
        }
      }
      open = left
      await after(acknowledged.length)
    }
  }
  await Promise.all(stores.map((store, owner) => own(store, owner)))

  for (const actor of names) await verifyJournal(judge, actor)
  const places = new Set(acknowledged.map(({ actor, n }) => `${actor} ${n}`))
  expect(places.size).toBe(acknowledged.length)
  for (const append of acknowledged)
    expect(await isOwn(judge, append), `place ${append.n} of ${append.actor} is not what was acknowledged`).toBe(true)
  return { acknowledged: acknowledged.length, fenced, troubles }
}
