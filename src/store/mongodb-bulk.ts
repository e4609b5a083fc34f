/**
 * Writes many documents, each with a verdict of its own (S2): unordered commands whose inserts and upserts fail one by one with E11000 on `_id`,
 * the fence (J1).
 *
 *  M1 A command is sent once; the driver repeats nothing. After an outcome that is unknown the same documents are sent again (J4) until every one
 *     has a certain answer, or `settleMs` are over.
 *  M2 Certain is an answer without a write concern error: 'done' then is on a majority's disks, and so is the document that E11000 collided with
 *     (the server waits for the newest operation also after a write that did nothing). With one nothing is certain, E11000 least of all.
 *  M3 Nothing sent is 'refused'; anything sent without a certain answer is 'unknown', whatever came after it.
 */
import type { Document } from 'mongodb'
import { backoffMs } from '../base/backoff.ts'
import { pause, write, type Link, type WriteError, type WriteReply } from './mongodb-link.ts'
import { DUPLICATE_KEY, failureOf, isPassing } from './mongodb-trouble.ts'

/**
 * 'done': applied by the first try. 'exists': another document holds `_id`. 'exists-after-doubt': likewise, but it may be the one of an earlier try
 * of this call. 'refused': certainly not applied.
 */
export type Outcome = 'done' | 'exists' | 'exists-after-doubt' | 'unknown' | 'refused'

/** One command that writes documents, and how long each is. */
export interface Bulk {
  readonly collection: string
  readonly kind: 'insert' | 'update' | 'delete'
  /** Documents to insert, or statements. */
  readonly items: readonly Document[]
  readonly bytesOf: (index: number) => number
}

const REPEAT_MAX_MS = 1000

/** Outcomes in the order of `items`. Never rejects. */
export async function writeAll(link: Link, bulk: Bulk): Promise<Outcome[]> {
  const outcomes = Array.from<Outcome>({ length: bulk.items.length }).fill('refused')
  const waiting = pieces(link, bulk)
  const workers = Array.from({ length: Math.min(link.limits.parallel, waiting.length) }, async () => {
    for (let piece = waiting.shift(); piece !== undefined; piece = waiting.shift()) await settle(link, bulk, piece, outcomes)
  })
  await Promise.all(workers)
  return outcomes
}

function pieces(link: Link, { items, bytesOf }: Bulk): number[][] {
  const { bulkDocuments, bulkBytes } = link.limits
  const all: number[][] = []
  let piece: number[] = []
  let bytes = 0
  for (let i = 0; i < items.length; i++) {
    const length = bytesOf(i)
    if (piece.length > 0 && (piece.length >= bulkDocuments || bytes + length > bulkBytes)) {
      all.push(piece)
      piece = []
      bytes = 0
    }
    piece.push(i)
    bytes += length
  }
  if (piece.length > 0) all.push(piece)
  return all
}

/** One piece until every document of it is certain (M1). */
async function settle(link: Link, bulk: Bulk, piece: readonly number[], outcomes: Outcome[]): Promise<void> {
  const until = link.clock.mono() + link.limits.settleMs
  let open = piece
  let doubted = false
  for (let attempt = 0; ; attempt++) {
    try {
      const reply = await write(link, commandOf(bulk, open))
      const left = reply.shaky ? uncertain(link, reply, open, outcomes, doubted) : certain(link, reply, open, outcomes, doubted)
      if (doubted && !reply.shaky) link.counters.settled += open.length - left.length
      doubted ||= reply.shaky
      open = left
    } catch (error) {
      const failure = failureOf(error)
      if (failure === 'doubt') doubted = inDoubt(link, outcomes, open)
      tell(link, bulk, open.length, failure, error)
      // Waiting for a primary is the caller's: it may be away for long, and others are told meanwhile (M3).
      if (failure === 'rejected' || (failure === 'unsent' && !doubted)) return
    }
    if (open.length === 0 || link.clock.mono() >= until) return
    await pause(link, backoffMs(attempt + 1, link.limits.repeatMs, REPEAT_MAX_MS, link.random))
  }
}

function commandOf({ collection, kind, items }: Bulk, open: readonly number[]): Document {
  const chosen = open.length === items.length ? items : open.map((i) => items[i] as Document)
  switch (kind) {
    case 'insert':
      return { insert: collection, documents: chosen, ordered: false }
    case 'update':
      return { update: collection, updates: chosen, ordered: false }
    case 'delete':
      return { delete: collection, deletes: chosen, ordered: false }
  }
}

function inDoubt(link: Link, outcomes: Outcome[], open: readonly number[]): true {
  link.counters.inDoubt++
  for (const i of open) outcomes[i] = 'unknown'
  return true
}

/** An answer that stands (M2). Returns those that may be applied if they are sent again. */
function certain(link: Link, { errors }: WriteReply, open: readonly number[], outcomes: Outcome[], doubted: boolean): number[] {
  const failed = new Set<number>()
  const again: number[] = []
  for (const error of errors) {
    const i = open[error.index] as number
    failed.add(error.index)
    if (error.code === DUPLICATE_KEY) outcomes[i] = doubted ? 'exists-after-doubt' : 'exists'
    else if (isPassing(error.code)) again.push(i)
    else refuse(link, error, i, outcomes, doubted)
  }
  open.forEach((i, index) => {
    if (!failed.has(index)) outcomes[i] = 'done'
  })
  return again
}

/** An answer with a write concern error: only what failed for its own sake is out, the rest is sent again (M2). */
function uncertain(link: Link, { errors }: WriteReply, open: readonly number[], outcomes: Outcome[], doubted: boolean): number[] {
  const out = new Set<number>()
  for (const error of errors) {
    if (error.code === DUPLICATE_KEY || isPassing(error.code)) continue
    out.add(error.index)
    refuse(link, error, open[error.index] as number, outcomes, doubted)
  }
  const left = open.filter((_, index) => !out.has(index))
  inDoubt(link, outcomes, left)
  return left
}

/** The server will not have this one. Of an earlier try in doubt that says nothing (M3). */
function refuse(link: Link, { code, errmsg }: WriteError, i: number, outcomes: Outcome[], doubted: boolean): void {
  if (!doubted) outcomes[i] = 'refused'
  link.counters.refused++
  link.log.error({ code, store: link.place }, `the server does not take a document: ${link.redact(errmsg)}`)
}

function tell(link: Link, { collection, kind }: Bulk, documents: number, failure: string, error: unknown): void {
  const said = link.redact(error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ')
  link.log.warn({ store: link.place, collection, kind, documents, failure }, `a write to MongoDB failed: ${said}`)
}
