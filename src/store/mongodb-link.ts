/** What all parts of one MongoDB store share: collections, limits, time, log, counters; and how one command is written and its answer read. */
import { MongoWriteConcernError, type Document } from 'mongodb'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Collections } from './mongodb-documents.ts'
import type { MongodbLimits } from './mongodb-options.ts'
import type { LargeRecords } from './mongodb-parts.ts'
import type { Places } from './mongodb-places.ts'
import { storeErrorOf } from './mongodb-trouble.ts'

export interface Link {
  readonly at: Collections
  readonly limits: MongodbLimits
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly places: Places
  readonly large: LargeRecords
  /** For messages: never with a password. */
  readonly place: string
  readonly redact: (text: string) => string
  readonly counters: MongodbCounters
}

export interface MongodbCounters {
  /** Write commands sent. */
  commands: number
  /** Write commands whose outcome was unknown, and those settled since by repeating them (J4). */
  inDoubt: number
  settled: number
  /** Appends whose place was taken. */
  taken: number
  /** Claims that took more than one try, and those that had to hold places (J2). */
  claimsAgain: number
  claimsHeld: number
  /** Batches refused for their own sake. */
  refused: number
  /** Reads for a read proof (D11) that did not know where to look. */
  tailReads: number
  /** Actors trimmed (J10), and trims that failed or found no room. */
  trimmed: number
  trimsLost: number
}

export function newCounters(): MongodbCounters {
  return {
    commands: 0,
    inDoubt: 0,
    settled: 0,
    taken: 0,
    claimsAgain: 0,
    claimsHeld: 0,
    refused: 0,
    tailReads: 0,
    trimmed: 0,
    trimsLost: 0,
  }
}

export interface WriteError {
  readonly index: number
  readonly code: number
  readonly errmsg: string
}

export interface WriteReply {
  readonly n: number
  readonly errors: readonly WriteError[]
  /** Applied on the primary and perhaps nowhere else: it may be rolled back. */
  readonly shaky: boolean
}

const DURABLE = { w: 'majority', j: true } as const

/**
 * One write command, sent once. The bare command and not the driver's bulk helper, which wraps errors so that it can no longer be seen whether anything was sent.
 * No wtimeout: a time-out would undo nothing.
 */
export async function write(link: Link, command: Document): Promise<WriteReply> {
  link.counters.commands++
  try {
    return replyOf(await link.at.db.command({ ...command, writeConcern: DURABLE }))
  } catch (error) {
    if (error instanceof MongoWriteConcernError) return { ...replyOf(error.result), shaky: true }
    throw error
  }
}

function replyOf(document: Document): WriteReply {
  return {
    n: Number(document['n'] ?? 0),
    errors: (document['writeErrors'] as WriteError[] | undefined) ?? [],
    shaky: document['writeConcernError'] !== undefined,
  }
}

/** A read: what fails in it was not applied, there was nothing to apply. */
export async function reading<T>(link: Link, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw storeErrorOf(error, link.place, link.redact)
  }
}

export function pause(link: Link, ms: number): Promise<void> {
  return new Promise((resolve) => void link.clock.after(ms, resolve))
}
