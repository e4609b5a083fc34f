/**
 * Newest places, for many actors at once (D11): "the place after the one known is still empty", asked of the primary with `linearizable`, so that no
 * deposed one can answer. Where nothing is known, or somebody has written since, the end of the journal is looked for.
 */
import { keyOf } from './mongodb-appends.ts'
import { BY_ID, type PlaceId } from './mongodb-documents.ts'
import { reading, type Link } from './mongodb-link.ts'
import { NEWEST, type Reads } from './mongodb-reads.ts'

const IDS_A_QUERY = 1000
const TAILS_AT_ONCE = 16

export function newestPlaces(link: Link, reads: Reads, actors: readonly string[]): Promise<number[]> {
  return reading(link, async () => {
    const asked = actors.map((actor) => ({ actor, known: link.places.get(actor) }))
    const journals = asked.filter(({ known }) => known?.mode !== 'replace')
    const records = asked.filter(({ known }) => known?.mode !== 'append').map(({ actor }) => actor)
    const [next, states] = await Promise.all([
      // Of an actor that nothing is known of: whether it has a first place.
      placesThere(
        link,
        journals.map(({ actor: a, known }) => ({ a, n: (known?.n ?? 0) + 1 })),
      ),
      statesOf(link, records),
    ])
    const places = new Map<string, number>()
    const behind: string[] = []
    for (const { actor, known } of asked) {
      const state = states.get(actor)
      if (state !== undefined) places.set(actor, state)
      else if (known?.mode !== 'replace' && next.has(keyOf({ a: actor, n: (known?.n ?? 0) + 1 }))) behind.push(actor)
      else places.set(actor, known?.mode === 'append' ? known.n : 0)
    }
    const waiting = [...new Set(behind)]
    link.counters.tailReads += waiting.length
    const workers = Array.from({ length: Math.min(TAILS_AT_ONCE, waiting.length) }, async () => {
      for (let actor = waiting.pop(); actor !== undefined; actor = waiting.pop())
        places.set(actor, (await reads.tail(actor, true))?._id.n ?? 0)
    })
    await Promise.all(workers)
    return actors.map((actor) => places.get(actor) ?? 0)
  })
}

async function placesThere(link: Link, ids: readonly PlaceId[]): Promise<Set<string>> {
  const there = new Set<string>()
  await inPieces(ids, async (some) => {
    const docs = await link.at.batches
      .find(
        { _id: { $in: some }, a: { $in: some.map(({ a }) => a) }, h: { $exists: true } },
        { ...NEWEST, ...BY_ID, maxTimeMS: link.limits.socketMs, projection: { _id: 1 }, batchSize: IDS_A_QUERY },
      )
      .toArray()
    for (const { _id } of docs) there.add(keyOf(_id))
  })
  return there
}

async function statesOf(link: Link, actors: readonly string[]): Promise<Map<string, number>> {
  const places = new Map<string, number>()
  await inPieces(actors, async (some) => {
    const docs = await link.at.states
      .find({ _id: { $in: some } }, { ...NEWEST, maxTimeMS: link.limits.socketMs, projection: { n: 1 }, batchSize: IDS_A_QUERY })
      .toArray()
    for (const { _id, n } of docs) {
      places.set(_id, n)
      link.places.saw(_id, n, 'replace')
    }
  })
  return places
}

async function inPieces<T>(items: readonly T[], each: (some: T[]) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += IDS_A_QUERY) await each(items.slice(at, at + IDS_A_QUERY))
}
