/**
 * Snapshots (J5, S6): one document an actor, replaced by an upsert that asks for a smaller `n`. E11000 is "there is a newer one": dropped silently.
 *
 *  - Only of a batch that is there.
 *  - The pages of sender actors (D3) lie in documents of their own, a version each (the snapshot's place), written before it. The snapshot names the
 *    newest version of each page, so that pages and snapshot change in one step; versions that it no longer names go afterwards.
 */
import type { Document } from 'mongodb'
import { filled, keyOf } from './mongodb-appends.ts'
import { writeAll, type Outcome } from './mongodb-bulk.ts'
import { BY_ID, type PageDoc, type PlaceId } from './mongodb-documents.ts'
import type { Link } from './mongodb-link.ts'
import { firstPiece, writeParts } from './mongodb-parts.ts'
import { StoreError, type SnapshotWrite } from './store.ts'

const DOCUMENT_HEAD_BYTES = 400

/** Rejects with StoreError when one of them is not certainly written or certainly dropped: pages of a lost one would be missed later (D3). */
export async function writeSnapshots(link: Link, snapshots: readonly SnapshotWrite[]): Promise<void> {
  if (snapshots.length === 0) return
  const there = onePerActor(await ofBatchesThere(link, snapshots))
  const short = there.filter((snapshot) => fits(link, snapshot))
  const [pages, parts] = await Promise.all([
    writePages(link, short),
    Promise.all(short.map(({ actor: a, n, hash: c, bytes }) => writeParts(link, { a, n, c }, bytes))),
  ])
  throwIfLost(link, [...pages, ...parts.map((part) => (part === 'written' ? 'done' : part))])
  const outcomes = await writeAll(link, {
    collection: link.at.snapshots.collectionName,
    kind: 'update',
    items: short.map((snapshot) => statementOf(link, snapshot)),
    bytesOf: (i) => DOCUMENT_HEAD_BYTES + Math.min(short[i]?.bytes.length ?? 0, link.limits.documentBytes),
  })
  throwIfLost(link, outcomes)
  await dropOldPages(
    link,
    short.filter((snapshot, i) => snapshot.pages.size > 0 && outcomes[i] === 'done'),
  )
}

/**
 * Of several of one actor the newest, with the pages of all: each brings only those that changed since the one before (D3), and of an older one that
 * comes later the guard would drop them.
 */
function onePerActor(snapshots: readonly SnapshotWrite[]): SnapshotWrite[] {
  const chosen = new Map<string, SnapshotWrite>()
  for (const snapshot of snapshots) {
    const other = chosen.get(snapshot.actor)
    if (other === undefined) chosen.set(snapshot.actor, snapshot)
    else {
      const [older, newer] = other.n <= snapshot.n ? [other, snapshot] : [snapshot, other]
      chosen.set(snapshot.actor, { ...newer, pages: new Map([...older.pages, ...newer.pages]) })
    }
  }
  return [...chosen.values()]
}

async function ofBatchesThere(link: Link, snapshots: readonly SnapshotWrite[]): Promise<SnapshotWrite[]> {
  const unsure = snapshots.filter(({ actor, n }) => !link.places.reaches(actor, n))
  if (unsure.length === 0) return [...snapshots]
  const idOf = ({ actor: a, n }: SnapshotWrite): PlaceId => ({ a, n })
  const found = await filled(link, unsure.map(idOf))
  const absent = new Set(unsure.filter((snapshot) => !found.has(keyOf(idOf(snapshot)))))
  for (const snapshot of unsure) if (!absent.has(snapshot)) link.places.saw(snapshot.actor, snapshot.n, 'append')
  return snapshots.filter((snapshot) => !absent.has(snapshot))
}

function fits(link: Link, { actor, bytes }: SnapshotWrite): boolean {
  if (bytes.length <= link.limits.recordBytes) return true
  link.counters.refused++
  link.log.error(
    { actor, bytes: bytes.length, recordBytes: link.limits.recordBytes },
    'a snapshot is longer than the store takes, so the actor is read from older ones: keep less state, or raise recordBytes',
  )
  return false
}

/** The guard: only over a smaller `n`. */
function statementOf(link: Link, { actor, n, offset: o, hash: h, bytes, pages }: SnapshotWrite): Document {
  const { b, p } = firstPiece(link, bytes)
  const versions = Object.fromEntries(Array.from(pages.keys(), (page) => [`v.${page}`, n]))
  const set = { n, o, h, b, ...(p !== undefined && { p }), ...versions }
  return { q: { _id: actor, n: { $lt: n } }, u: { $set: set, ...(p === undefined && { $unset: { p: '' } }) }, upsert: true }
}

/** A page that exists in this version is the same: the state after a batch is one. */
async function writePages(link: Link, snapshots: readonly SnapshotWrite[]): Promise<Outcome[]> {
  const items: PageDoc[] = snapshots.flatMap(({ actor: a, n, pages }) => Array.from(pages, ([p, b]) => ({ _id: { a, p, n }, a, b })))
  if (items.length === 0) return []
  return writeAll(link, {
    collection: link.at.pages.collectionName,
    kind: 'insert',
    items,
    bytesOf: (i) => DOCUMENT_HEAD_BYTES + (items[i]?.b.length ?? 0),
  })
}

/** Versions before the one just named: whoever still reads by an older snapshot misses one, and reads again. What fails goes with a later version. */
async function dropOldPages(link: Link, snapshots: readonly SnapshotWrite[]): Promise<void> {
  const items = snapshots.flatMap(({ actor: a, n, pages }) =>
    Array.from(pages.keys(), (p): Document => ({ q: { a, _id: { $gte: { a, p, n: 0 }, $lt: { a, p, n } } }, limit: 0, ...BY_ID })),
  )
  if (items.length > 0)
    await writeAll(link, { collection: link.at.pages.collectionName, kind: 'delete', items, bytesOf: () => DOCUMENT_HEAD_BYTES })
}

function throwIfLost(link: Link, outcomes: readonly Outcome[]): void {
  for (const outcome of ['unknown', 'refused'] as const)
    if (outcomes.includes(outcome))
      throw new StoreError(outcome, outcome === 'unknown' ? 'lost' : 'io', `${link.place}: a snapshot was not written; the log says why`)
}
