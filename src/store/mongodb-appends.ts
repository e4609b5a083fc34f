/**
 * Appending (J1): a batch is an insert of `_id: {a, n}`, the record of a 'replace' actor an upsert with the place before in its filter. E11000 is
 * the fence, for each alone (S2).
 *
 *  A1 One append of an actor is under way in a group; further ones of the same actor follow when it is decided.
 *  A2 An insert goes out only when the place before it is known to be there: inserts alone would leave holes (S1).
 *  A3 A hint is durable before the batch that needs it (D5, S4). Its key has the commit id, so that of two owners at one place each has its own;
 *     it goes again only if this very call made it and the batch lost its place.
 *  A4 'taken' for what may be an earlier try of this call is looked up: the same commit id is 'committed' (J4).
 */
import type { Document } from 'mongodb'
import { writeAll, type Outcome } from './mongodb-bulk.ts'
import { BY_ID, checkedActor, type BatchDoc, type HintDoc, type PlaceId } from './mongodb-documents.ts'
import type { Link } from './mongodb-link.ts'
import { announceLarge, dropOtherParts, dropParts, firstPiece, writeParts } from './mongodb-parts.ts'
import type { Append, Verdict } from './store.ts'

/** Beside the bytes: names, ids, hashes and what BSON adds. */
const DOCUMENT_HEAD_BYTES = 400

/** Verdicts in the order of `appends`. Rejects only for a caller's defect (S8). */
export async function appendAll(link: Link, appends: readonly Append[]): Promise<Verdict[]> {
  for (const { actor } of appends) checkedActor(actor)
  const verdicts = Array.from<Verdict>({ length: appends.length }).fill('refused')
  for (const wave of wavesOf(appends)) {
    const decided = await appendWave(
      link,
      wave.map((i) => appends[i] as Append),
    )
    wave.forEach((i, at) => (verdicts[i] = decided[at] as Verdict))
  }
  return verdicts
}

/** Each wave has an actor once (A1). */
function wavesOf(appends: readonly Append[]): number[][] {
  const waves: number[][] = []
  const seen = new Map<string, number>()
  appends.forEach(({ actor }, i) => {
    const wave = seen.get(actor) ?? 0
    seen.set(actor, wave + 1)
    ;(waves[wave] ??= []).push(i)
  })
  return waves
}

async function appendWave(link: Link, appends: readonly Append[]): Promise<Verdict[]> {
  const verdicts = Array.from<Verdict | null>({ length: appends.length }).fill(null)
  const unfit = await withoutPlaceBefore(link, appends)
  appends.forEach((append, i) => {
    const verdict = unfit.get(append)
    if (verdict !== undefined) verdicts[i] = verdict
    else if (append.bytes.length > link.limits.recordBytes) verdicts[i] = tooLong(link, append)
  })
  const ready = (chosen: (append: Append) => boolean): number[] =>
    appends.flatMap((append, i) => (verdicts[i] === null && chosen(append) ? [i] : []))
  const plain = ({ hintDue, bytes }: Append): boolean => hintDue === null && bytes.length <= link.limits.documentBytes
  const sets = [ready(plain), ready((append) => !plain(append))]
  await Promise.all(
    sets.map(async (set, prepares) => {
      const chosen = set.map((i) => appends[i] as Append)
      const decided = prepares === 0 ? await putAll(link, chosen) : await prepared(link, chosen)
      set.forEach((i, at) => (verdicts[i] = decided[at] as Verdict))
    }),
  )
  await dropReplaced(link, appends, verdicts)
  return verdicts as Verdict[]
}

/** Of a record that was replaced nobody reads the pieces any more. All at once: verdicts wait for it, an outage just then for one time limit. */
async function dropReplaced(link: Link, appends: readonly Append[], verdicts: readonly (Verdict | null)[]): Promise<void> {
  const drop = async ({ actor, n, commitId: c, bytes }: Append): Promise<void> => {
    const large = bytes.length > link.limits.documentBytes
    if (!large && !link.large.has(actor)) return
    const gone = await dropOtherParts(link.at, { a: actor, n, c })
    if (large) link.large.add(actor)
    else if (gone) link.large.delete(actor)
  }
  await Promise.all(appends.filter(({ mode }, i) => mode === 'replace' && verdicts[i] === 'committed').map(drop))
}

/** A2: those whose place before is not there, or could not be asked for. */
async function withoutPlaceBefore(link: Link, appends: readonly Append[]): Promise<Map<Append, 'taken' | 'refused'>> {
  const unsure = appends.filter(({ actor, n, mode }) => mode === 'append' && n > 1 && !link.places.reaches(actor, n - 1))
  if (unsure.length === 0) return new Map()
  const before = (append: Append): PlaceId => ({ a: append.actor, n: append.n - 1 })
  try {
    const found = await filled(link, unsure.map(before))
    const holes = unsure.filter((append) => !found.has(keyOf(before(append))))
    for (const { actor, n } of unsure.filter((append) => found.has(keyOf(before(append))))) link.places.saw(actor, n - 1, 'append')
    return new Map(holes.map((append) => [append, 'taken']))
  } catch {
    return new Map(unsure.map((append) => [append, 'refused']))
  }
}

const IDS_A_QUERY = 1000

/** Which of these places hold a batch, by `keyOf`. */
export async function filled(link: Link, ids: readonly PlaceId[]): Promise<Set<string>> {
  const found = new Set<string>()
  for (let at = 0; at < ids.length; at += IDS_A_QUERY) {
    const some = ids.slice(at, at + IDS_A_QUERY)
    const there = await link.at.batches
      .find({ _id: { $in: some }, a: { $in: some.map(({ a }) => a) }, h: { $exists: true } }, { ...BY_ID, projection: { _id: 1 } })
      .toArray()
    for (const { _id } of there) found.add(keyOf(_id))
  }
  return found
}

export function keyOf({ a, n }: PlaceId): string {
  return `${n} ${a}`
}

function tooLong(link: Link, { actor, bytes }: Append): Verdict {
  link.counters.refused++
  link.log.error(
    { actor, bytes: bytes.length, recordBytes: link.limits.recordBytes },
    'a batch is longer than the store takes: send less at once, keep less state, or raise recordBytes',
  )
  return 'refused'
}

/** What must be durable before its batch: further pieces, and hints (A3). */
async function prepared(link: Link, appends: readonly Append[]): Promise<Verdict[]> {
  await announceLarge(
    link,
    appends.filter(({ mode, bytes }) => mode === 'replace' && bytes.length > link.limits.documentBytes),
  )
  const [parts, hints] = await Promise.all([
    Promise.all(appends.map(({ actor: a, n, commitId: c, bytes }) => writeParts(link, { a, n, c }, bytes))),
    writeHints(link, appends),
  ])
  const ready = appends.flatMap((_, i) => (parts[i] === 'written' && hints[i] !== 'refused' && hints[i] !== 'unknown' ? [i] : []))
  const decided = await putAll(
    link,
    ready.map((i) => appends[i] as Append),
  )
  // What was not sent because something before it failed is certainly not applied by this try.
  const verdicts = Array.from<Verdict>({ length: appends.length }).fill('refused')
  ready.forEach((i, at) => (verdicts[i] = decided[at] as Verdict))
  await cleanUp(link, appends, verdicts, hints)
  return verdicts
}

function hintDoc({ actor: a, n, commitId: c, hintDue }: Append): HintDoc | null {
  return hintDue === null ? null : { _id: { d: hintDue, a, n, c }, a }
}

/** null: it has none. */
async function writeHints(link: Link, appends: readonly Append[]): Promise<(Outcome | null)[]> {
  const docs = appends.map(hintDoc)
  const items = docs.filter((doc) => doc !== null)
  const outcomes = await writeAll(link, {
    collection: link.at.hints.collectionName,
    kind: 'insert',
    items,
    bytesOf: () => DOCUMENT_HEAD_BYTES,
  })
  let at = 0
  return docs.map((doc) => (doc === null ? null : (outcomes[at++] as Outcome)))
}

/** Of appends that lost their place: the hints that this call made (A3), and pieces if another holds the place. What fails stays, harmless. */
async function cleanUp(
  link: Link,
  appends: readonly Append[],
  verdicts: readonly Verdict[],
  hints: readonly (Outcome | null)[],
): Promise<void> {
  const lost = appends.flatMap((append, i) => (verdicts[i] === 'taken' ? [{ append, made: hints[i] === 'done' }] : []))
  const ids = lost.flatMap(({ append, made }) => (made ? [hintDoc(append) as HintDoc] : []))
  if (ids.length > 0)
    await link.at.hints.deleteMany({ _id: { $in: ids.map(({ _id }) => _id) }, a: { $in: ids.map(({ a }) => a) } }).catch(() => undefined)
  const large = lost.filter(({ append }) => append.bytes.length > link.limits.documentBytes)
  for (const { append } of large) {
    const { actor: a, n, mode, commitId: c } = append
    const projection = { projection: { c: 1 } }
    const holder = await (
      mode === 'append' ? link.at.batches.findOne({ _id: { a, n } }, projection) : link.at.states.findOne({ _id: a }, projection)
    ).catch(() => null)
    if (holder?.c !== undefined && Buffer.compare(holder.c, c) !== 0) await dropParts(link.at, { a, n, c })
  }
}

async function putAll(link: Link, appends: readonly Append[]): Promise<Verdict[]> {
  const verdicts = Array.from<Verdict>({ length: appends.length }).fill('refused')
  const put = async (mode: Append['mode']): Promise<void> => {
    const indexes = appends.flatMap((append, i) => (append.mode === mode ? [i] : []))
    if (indexes.length === 0) return
    const chosen = indexes.map((i) => appends[i] as Append)
    const outcomes = await (mode === 'append' ? insertBatches(link, chosen) : upsertStates(link, chosen))
    const decided = await decide(link, mode, chosen, outcomes)
    indexes.forEach((i, at) => (verdicts[i] = decided[at] as Verdict))
  }
  await Promise.all([put('append'), put('replace')])
  return verdicts
}

export function batchDoc(link: Link, append: Omit<Append, 'mode' | 'prevRef' | 'hintDue'>): BatchDoc {
  const { actor: a, n, commitId: c, hash: h, entries: e, firstOffset, bytes } = append
  return { _id: { a, n }, a, c, h, e, l: firstOffset + e, ...firstPiece(link, bytes), ...(n === 1 && { s: a }) }
}

function insertBatches(link: Link, appends: readonly Append[]): Promise<Outcome[]> {
  return writeAll(link, {
    collection: link.at.batches.collectionName,
    kind: 'insert',
    items: appends.map((append) => batchDoc(link, append)),
    bytesOf: (i) => DOCUMENT_HEAD_BYTES + Math.min(appends[i]?.bytes.length ?? 0, link.limits.documentBytes),
  })
}

/** The fence is in the filter: where it does not fit, the upsert tries to insert, and `_id` says no. `r`: a claim wants it (mongodb-claims.ts). */
function upsertStates(link: Link, appends: readonly Append[]): Promise<Outcome[]> {
  return writeAll(link, {
    collection: link.at.states.collectionName,
    kind: 'update',
    items: appends.map((append): Document => ({
      q: { _id: append.actor, n: append.n - 1, r: { $exists: false } },
      u: stateUpdate(link, append),
      upsert: true,
    })),
    bytesOf: (i) => DOCUMENT_HEAD_BYTES + Math.min(appends[i]?.bytes.length ?? 0, link.limits.documentBytes),
  })
}

export function stateUpdate(link: Link, append: Omit<Append, 'mode' | 'prevRef' | 'hintDue' | 'firstOffset'>): Document {
  const { n, commitId: c, hash: h, entries: e, bytes } = append
  const { b, p } = firstPiece(link, bytes)
  return { $set: { n, c, h, e, b, ...(p !== undefined && { p, f: true }) }, $unset: { r: '', ...(p === undefined && { p: '' }) } }
}

async function decide(link: Link, mode: Append['mode'], appends: readonly Append[], outcomes: readonly Outcome[]): Promise<Verdict[]> {
  const doubted = appends.filter((_, i) => outcomes[i] === 'exists-after-doubt')
  const holders = doubted.length === 0 ? null : await ownAmong(link, mode, doubted)
  return appends.map((append, i) => {
    const verdict = verdictOf(append, outcomes[i] as Outcome, holders)
    if (verdict === 'committed') link.places.saw(append.actor, append.n, mode)
    if (verdict === 'taken') link.counters.taken++
    return verdict
  })
}

function verdictOf(append: Append, outcome: Outcome, own: ReadonlySet<Append> | 'unread' | null): Verdict {
  switch (outcome) {
    case 'done':
      return 'committed'
    case 'exists':
      return 'taken'
    case 'exists-after-doubt':
      if (own === 'unread' || own === null) return 'unknown'
      return own.has(append) ? 'committed' : 'taken'
    case 'unknown':
      return 'unknown'
    case 'refused':
      return 'refused'
  }
}

/** A4: those of which the place holds their own commit id. */
async function ownAmong(link: Link, mode: Append['mode'], appends: readonly Append[]): Promise<Set<Append> | 'unread'> {
  try {
    const found = new Map<string, Uint8Array>()
    if (mode === 'append') {
      const ids = appends.map(({ actor: a, n }) => ({ a, n }))
      const docs = link.at.batches.find({ _id: { $in: ids }, a: { $in: ids.map(({ a }) => a) } }, { ...BY_ID, projection: { c: 1 } })
      for await (const { _id, c } of docs) if (c !== undefined) found.set(keyOf(_id), c)
    } else {
      const docs = link.at.states.find({ _id: { $in: appends.map(({ actor }) => actor) } }, { projection: { n: 1, c: 1 } })
      for await (const { _id: a, n, c } of docs) found.set(keyOf({ a, n }), c)
    }
    const isOwn = ({ actor: a, n, commitId }: Append): boolean => {
      const holder = found.get(keyOf({ a, n }))
      return holder !== undefined && Buffer.compare(holder, commitId) === 0
    }
    return new Set(appends.filter(isOwn))
  } catch {
    return 'unread'
  }
}
