/**
 * What passes between a SqliteStore and its thread. A commit crosses as a bare ArrayBuffer (sqlite-group.ts), everything else
 * in lists: calls made in one turn of the event loop travel together, and so do their answers.
 */
import type { LogFields } from '../base/log.ts'
import type { Claim, Hint, StoreTrouble } from './store.ts'

export interface ThreadOptions {
  readonly dir: string
  readonly patienceMs: number
  readonly checkpointBytes: number
  readonly pinnedBytes: number
  readonly cacheBytes: number
  readonly trimDelayMs: number
}

export type Call = { readonly id: number } & Request

export type Request =
  | { readonly op: 'claim'; readonly actor: string; readonly claim: Claim }
  | { readonly op: 'load'; readonly actor: string }
  | { readonly op: 'read'; readonly actor: string; readonly n: number }
  | { readonly op: 'newest'; readonly actors: readonly string[] }
  | { readonly op: 'history'; readonly actor: string; readonly from: number; readonly maxBytes: number }
  | { readonly op: 'hints'; readonly dueBy: number; readonly limit: number; readonly after: Hint | null }
  | { readonly op: 'meta'; readonly key: string }
  | { readonly op: 'createMeta'; readonly key: string; readonly create: Uint8Array }
  | { readonly op: 'generation'; readonly node: string }
  | { readonly op: 'actors'; readonly after: string | null; readonly limit: number }
  | { readonly op: 'walk'; readonly actor: string; readonly afterN: number; readonly limit: number }
  | { readonly op: 'health' }
  | { readonly op: 'close' }

export type ToThread = ArrayBuffer | readonly Call[]

export type FromThread =
  | { readonly t: 'opened' }
  /** The file could not be opened; the thread ends. */
  | { readonly t: 'failed'; readonly trouble: Trouble }
  /** `verdicts` null: all committed. Else a code for each append, COMMITTED or TAKEN. */
  | { readonly t: 'commit'; readonly id: number; readonly ref: number; readonly verdicts: Uint8Array | null }
  | { readonly t: 'answers'; readonly answers: readonly Answer[] }
  | { readonly t: 'log'; readonly level: 'info' | 'warn' | 'error'; readonly fields: LogFields; readonly message: string }

export type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly trouble: Trouble }

/** A StoreError as data. */
export interface Trouble {
  readonly outcome: 'refused' | 'unknown'
  readonly reason: StoreTrouble
  readonly message: string
}

export const COMMITTED = 0
export const TAKEN = 1
