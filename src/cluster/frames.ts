/**
 * What members say to each other. Every frame names the cluster, the sender and a digest of what the sender holds, so that any frame is evidence
 * of life, of a newer incarnation, and of a difference to mend; and any frame may carry news (`updates`).
 */
import { hash32 } from '../base/random.ts'
import type { Member } from './member.ts'
import type { Accuser } from './suspicion.ts'

export interface Header {
  /** Hash of the cluster's name: clusters must not mix (M10). */
  readonly cluster: number
  /** Drawn at start: tells two processes of one (id, generation) apart. */
  readonly boot: number
  readonly id: string
  readonly generation: number
  readonly incarnation: number
  readonly digest: Digest
  /** Periods since the cluster's first: who probes whom in each (probe-order.ts). */
  readonly step: number
}

/** Two independent 32-bit sums over all records: equal when the records are. */
export interface Digest {
  readonly a: number
  readonly b: number
}

/** A record, with what is not part of its order: who accuses (of a suspect), how long ago the end was found (of a dead or left one). */
export interface Update {
  readonly record: Member
  readonly accusers: readonly Accuser[]
  readonly agedMs: number
}

export type Body =
  /** Are you there? `target` is who is meant: an address may have got another tenant. seq 0: no one counts the answer. */
  | { readonly kind: 'ping'; readonly seq: number; readonly target: Identity }
  /** Yes. With `subject` it is a helper's word: the subject answered the helper. */
  | { readonly kind: 'ack'; readonly seq: number; readonly subject: Heard | null }
  | { readonly kind: 'pingreq'; readonly seq: number; readonly target: Identity; readonly address: string; readonly withinMs: number }
  /** The helper is well, but the target is silent; or refuses connections. */
  | { readonly kind: 'nack'; readonly seq: number; readonly refused: boolean }
  | { readonly kind: 'gossip' }
  /** My sums by bucket: tell me your records of those that differ. */
  | { readonly kind: 'compare'; readonly buckets: Uint32Array }
  /** All the sender's records of the buckets named (a 64-bit set), over several frames; with `answer` it wants the receiver's of the same. */
  | { readonly kind: 'records'; readonly low: number; readonly high: number; readonly last: boolean; readonly answer: boolean }
  /** Another process speaks under your (id, generation), from another start. */
  | { readonly kind: 'duplicate'; readonly boot: number }

export interface Identity {
  readonly id: string
  readonly generation: number
}

export interface Heard extends Identity {
  readonly incarnation: number
}

export interface Frame {
  readonly header: Header
  readonly body: Body
  readonly updates: readonly Update[]
}

export const FRAME_BYTES_MAX: number = 64 * 1024
/** Updates of one frame; of a `records` frame CHUNK_RECORDS_MAX. */
export const UPDATES_MAX = 64
export const CHUNK_RECORDS_MAX = 256
export const BUCKETS = 64
export const ID_BYTES_MAX = 128
export const ADDRESS_BYTES_MAX = 262
export const STEP_MAX: number = 2 ** 48
export const INCARNATION_MAX: number = 2 ** 32

export function clusterHash(name: string): number {
  return hash32(name, 0x7a0be)
}
