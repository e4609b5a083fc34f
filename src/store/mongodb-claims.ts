/**
 * Claims (J2): a claim is a batch at the place after the newest, inserted like any other. Against an owner that never pauses that loses again and
 * again: between reading the newest batch (a claim carries its hash) and inserting, the owner has written the next. So
 *
 *   after two collisions      the next eight places are held at once: inserts of {_id: {a, n}, r}. The first that succeeds stops the owner, whose next
 *                             insert there fails: it is fenced.
 *   then                      what lies before the held place stands still and is read, and the claim is put into it: an update that asks for a
 *                             place still held. It is a batch from then on.
 *   at last                   the held places behind it are let go.
 *
 *  K1 A held place is no batch: readers do not see it, nothing follows it. Only an update that finds it held makes it one, so each place is
 *     filled once, by whoever comes first: its holder, or another claimer (the holder may have died).
 *  K2 Letting go deletes only what is still held. Who had held it finds nothing to fill, and begins again.
 *  K3 A held place that is left over costs the owner of that time a needless claim, and nothing else.
 *
 * A 'replace' actor has one document: `r` in it makes the owner's upsert fail, and the claim takes it away again.
 */
import { makeClaim, type MadeClaim } from '../actors/batch.ts'
import { backoffMs } from '../base/backoff.ts'
import { batchDoc, stateUpdate } from './mongodb-appends.ts'
import { writeAll } from './mongodb-bulk.ts'
import { BY_ID, type HeldDoc } from './mongodb-documents.ts'
import { pause, reading, write, type Link } from './mongodb-link.ts'
import { announceLarge, dropOtherParts, firstPiece, wholeBytes, writeParts } from './mongodb-parts.ts'
import type { Reads } from './mongodb-reads.ts'
import { failureOf, storeErrorOf } from './mongodb-trouble.ts'
import { StoreError, type Claim, type Loaded } from './store.ts'

const COLLISIONS_BEFORE_HOLDING = 2
const PLACES_HELD = 8
const TRIES = 50
const WAIT_MS = 5
const WAIT_MAX_MS = 200

export async function claimActor(link: Link, reads: Reads, actor: string, claim: Claim): Promise<Loaded> {
  for (let tries = 0; tries < TRIES; tries++) {
    const n = claim.mode === 'append' ? await tryJournal(link, reads, actor, claim, tries) : await tryRecord(link, actor, claim, tries)
    if (n !== null) {
      link.places.saw(actor, n, claim.mode)
      const loaded = asOf(await reads.load(actor, n), n)
      if (loaded !== null) return loaded
      throw overtaken(link, actor)
    }
    link.counters.claimsAgain++
    // Rival claimers stop each other: whoever waits less goes first.
    if (tries > COLLISIONS_BEFORE_HOLDING) await pause(link, backoffMs(tries, WAIT_MS, WAIT_MAX_MS, link.random))
  }
  throw new StoreError('unknown', 'busy', `${link.place}: ${actor} could not be claimed in ${TRIES} tries: many nodes claim it at once`)
}

/**
 * The journal as it ended with the claim: another owner may have written since, and what it wrote must not pass for this one's. null: its snapshot
 * holds that already.
 */
function asOf(loaded: Loaded | null, n: number): Loaded | null {
  if (loaded === null || loaded.n === n) return loaded
  if (loaded.snapshot !== null && loaded.snapshot.n > n) return null
  return { ...loaded, n, batches: loaded.batches.filter((batch) => batch.n <= n) }
}

/** One try; the claim's place, or null when another was first. */
async function tryJournal(link: Link, reads: Reads, actor: string, claim: Claim, collisions: number): Promise<number | null> {
  if (collisions >= COLLISIONS_BEFORE_HOLDING) await hold(link, reads, actor, claim)
  const tail = await reading(link, () => reads.tail(actor))
  const batch = tail === null ? null : await reading(link, () => reads.batchOf(tail))
  if (tail !== null && batch === null) throw unreadable(link, actor, tail._id.n)
  const made = madeFor(link, actor, claim, batch)
  const append = { actor, commitId: claim.commitId, entries: 0, ...made }
  const doc = batchDoc(link, append)
  const [outcome] = await writeAll(link, {
    collection: link.at.batches.collectionName,
    kind: 'insert',
    items: [doc],
    bytesOf: () => doc.b?.length ?? 0,
  })
  if (outcome === 'refused' || outcome === 'unknown') throw failed(link, actor, outcome)
  // Held: by this claim, or by one whose claimer may have died (K1). Or it is this claim, of a try that seemed lost.
  const { _id, a, ...fields } = doc
  const taken = outcome === 'done' || (await fill(link, { _id, a }, fields)) || (await isOurs(link, doc._id, claim))
  if (!taken) return null
  if (outcome !== 'done' || collisions >= COLLISIONS_BEFORE_HOLDING) await letGo(link, actor, made.n)
  return made.n
}

function madeFor(link: Link, actor: string, claim: Claim, newest: { readonly n: number; readonly bytes: Uint8Array } | null): MadeClaim {
  try {
    return makeClaim(claim, newest)
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    throw new StoreError('refused', 'corrupt', `${link.place}: ${actor} cannot be claimed: ${said}`)
  }
}

/** Holds the next places. Those that an owner was quicker to fill do not matter: it has one append under way, so it stops at the next. */
async function hold(link: Link, reads: Reads, actor: string, { commitId }: Claim): Promise<void> {
  link.counters.claimsHeld++
  const newest = (await reading(link, () => reads.tail(actor)))?._id.n ?? 0
  const items = Array.from({ length: PLACES_HELD }, (_, i): HeldDoc => ({ _id: { a: actor, n: newest + 1 + i }, a: actor, r: commitId }))
  const outcomes = await writeAll(link, { collection: link.at.batches.collectionName, kind: 'insert', items, bytesOf: () => 200 })
  for (const outcome of outcomes) if (outcome === 'refused' || outcome === 'unknown') throw failed(link, actor, outcome)
}

/** K1: one update, of one document, that asks for a place that is still held. */
async function fill(link: Link, id: Pick<HeldDoc, '_id' | 'a'>, fields: object): Promise<boolean> {
  const q = { ...id, r: { $exists: true }, h: { $exists: false } }
  try {
    const reply = await write(link, { update: link.at.batches.collectionName, updates: [{ q, u: { $set: fields, $unset: { r: '' } } }] })
    if (reply.shaky) throw failed(link, id.a, 'unknown')
    return reply.n === 1
  } catch (error) {
    throw storeErrorOf(error, link.place, link.redact, failureOf(error) === 'doubt' ? 'unknown' : 'refused')
  }
}

async function isOurs(link: Link, _id: HeldDoc['_id'], { commitId }: Claim): Promise<boolean> {
  const doc = await reading(link, () => link.at.batches.findOne({ _id, a: _id.a }, { projection: { c: 1 } }))
  return doc?.c !== undefined && Buffer.compare(doc.c, commitId) === 0
}

/** K2. The new owner's next append must find its place free; so this is waited for. */
async function letGo(link: Link, actor: string, n: number): Promise<void> {
  const above = { $gt: { a: actor, n }, $lte: { a: actor, n: Number.MAX_SAFE_INTEGER } }
  const q = { a: actor, _id: above, r: { $exists: true }, h: { $exists: false } }
  await writeAll(link, {
    collection: link.at.batches.collectionName,
    kind: 'delete',
    items: [{ q, limit: 0, ...BY_ID }],
    bytesOf: () => 200,
  })
}

/** A record is compared and set; after two collisions its owner is stopped first. */
async function tryRecord(link: Link, actor: string, claim: Claim, collisions: number): Promise<number | null> {
  if (collisions >= COLLISIONS_BEFORE_HOLDING) await holdRecord(link, actor, claim)
  const state = await reading(link, () => link.at.states.findOne({ _id: actor }))
  const bytes =
    state === null ? null : await reading(link, () => wholeBytes(link.at, { a: actor, n: state.n, c: state.c }, state.b, state.p))
  // Replaced meanwhile.
  if (state !== null && bytes === null) return null
  const made = madeFor(link, actor, claim, state === null || bytes === null ? null : { n: state.n, bytes })
  const { commitId } = claim
  const append = { ...made, actor, commitId, entries: state?.e ?? 0 }
  if (made.bytes.length > link.limits.documentBytes) await announceLarge(link, [{ actor, n: made.n }])
  if ((await writeParts(link, { a: actor, n: made.n, c: commitId }, made.bytes)) !== 'written') throw failed(link, actor, 'refused')
  const [outcome] = await writeAll(link, {
    collection: link.at.states.collectionName,
    kind: 'update',
    items: [{ q: { _id: actor, n: made.n - 1 }, u: stateUpdate(link, append), upsert: true }],
    bytesOf: () => firstPiece(link, made.bytes).b.length,
  })
  if (outcome === 'refused' || outcome === 'unknown') throw failed(link, actor, outcome)
  if (outcome === 'done') {
    if (state !== null && (state.f === true || state.p !== undefined)) await dropOtherParts(link.at, { a: actor, n: made.n, c: commitId })
    if (made.bytes.length > link.limits.documentBytes) link.large.add(actor)
    return made.n
  }
  const holder = await reading(link, () => link.at.states.findOne({ _id: actor }, { projection: { n: 1, c: 1 } }))
  if (holder !== null && holder.n === made.n && Buffer.compare(holder.c, commitId) === 0) return made.n
  if (outcome === 'exists-after-doubt') throw overtaken(link, actor)
  return null
}

async function holdRecord(link: Link, actor: string, { commitId }: Claim): Promise<void> {
  link.counters.claimsHeld++
  const items = [{ q: { _id: actor }, u: { $set: { r: commitId } } }]
  const [outcome] = await writeAll(link, { collection: link.at.states.collectionName, kind: 'update', items, bytesOf: () => 200 })
  if (outcome === 'refused' || outcome === 'unknown') throw failed(link, actor, outcome)
}

function failed(link: Link, actor: string, outcome: 'refused' | 'unknown'): StoreError {
  return new StoreError(outcome, 'lost', `${link.place}: ${actor} could not be claimed now; the log says why. Repeat later`)
}

/** The claim was there, or may have been, and another owner has written over it: with the next try the same batch would be there twice (J4). The caller makes another. */
function overtaken(link: Link, actor: string): StoreError {
  return new StoreError('unknown', 'busy', `${link.place}: another node claimed ${actor} at the same time. Repeat with a new claim`)
}

function unreadable(link: Link, actor: string, n: number): StoreError {
  return new StoreError('refused', 'corrupt', `${link.place}: the newest batch (place ${n}) of ${actor} cannot be read`)
}
