/**
 * What two nodes say to each other on a link. The node that dialled asks; the node that accepted answers (links.ts says why).
 *
 *   asking ──▶ hello · seen · send · query · topic · subscribe · unsubscribe · history · renew · pull · bundle · finished · ask
 *   answering ◀── hello · credit · replied · failed · moved · answered · state · page · pulled · handed · told · note · ended
 *
 * A message holds any number of frames, in order. A frame is its kind (1 byte), the length of the rest (4 bytes, little-endian), then its
 * fields in a fixed order: varints, texts and bytes with their length before them. A frame of an unknown kind, and fields after the known
 * ones, come from a newer node and are skipped. Data of events is JSON text, or bytes.
 */
import type { HistoryCall, HistoryPage, Note, QueryCall, SendCall, TopicCall, TopicState } from '../actors/calls.ts'
import type { ErrorCode, Failure } from '../errors.ts'

/** Raised when a frame changes so that an older node would misread it. Others end the link. */
export const LINK_VERSION = 1
/** A message is sent when it has grown to this in one turn of the event loop. */
export const BATCH_BYTES: number = 256 * 1024
/** A message larger than this, or than the wire takes, goes in parts: `part` …, `lastPart`, each a message of its own. */
export const PART_BYTES: number = 512 * 1024
/** All parts of one message together. */
export const MESSAGE_BYTES_MAX: number = 64 * 1024 * 1024
/** Renewals of one frame; more go into the next. */
export const RENEWALS_MAX = 1000

export const KIND = {
  hello: 1,
  seen: 2,
  send: 3,
  query: 4,
  topic: 5,
  subscribe: 6,
  unsubscribe: 7,
  history: 8,
  renew: 9,
  pull: 10,
  bundle: 11,
  finished: 12,
  ask: 13,
  welcome: 33,
  credit: 34,
  replied: 35,
  failed: 36,
  moved: 37,
  answered: 38,
  state: 39,
  page: 40,
  pulled: 41,
  handed: 42,
  note: 43,
  ended: 44,
  told: 45,
  part: 60,
  lastPart: 61,
} as const

/** `id` names a request of one link, and after `subscribe` the subscription. `timeoutMs` is what is left of the caller's time. */
interface Asked {
  readonly id: number
  readonly timeoutMs: number
}

/** First on a wire, and again whenever the sender's view has changed. */
export interface HelloFrame {
  readonly t: 'hello'
  readonly version: number
  readonly viewHash: string
}
/** All `moved` up to this number have arrived: what is asked from here on was asked knowing them (inbound.ts). */
export interface SeenFrame {
  readonly t: 'seen'
  readonly move: number
}
export interface SendFrame extends Asked {
  readonly t: 'send'
  /** With `timeoutMs` of the frame. */
  readonly call: SendCall
}
export interface QueryFrame extends Asked {
  readonly t: 'query'
  readonly call: QueryCall
}
export interface TopicFrame extends Asked {
  readonly t: 'topic' | 'subscribe'
  readonly call: TopicCall
}
export interface UnsubscribeFrame {
  readonly t: 'unsubscribe'
  readonly sub: number
}
export interface HistoryFrame extends Asked {
  readonly t: 'history'
  readonly call: HistoryCall
}
/** What a subscriber has: it shows the owner whether something was lost (D8). */
export interface Renewal {
  readonly sub: number
  readonly journal: string
  readonly epoch: number
  readonly offset: number
}
export interface RenewFrame {
  readonly t: 'renew'
  readonly renewals: readonly Renewal[]
}
/** The new owner asks an earlier one for an actor (H1). */
export interface PullFrame extends Asked {
  readonly t: 'pull'
  readonly actor: string
}
/** An earlier owner hands an actor over (H1). */
export interface BundleFrame extends Asked {
  readonly t: 'bundle'
  readonly actor: string
  readonly bytes: Uint8Array
}
/** The sender holds nothing any more that this view gives to others. */
export interface FinishedFrame {
  readonly t: 'finished'
  readonly viewHash: string
}

/** A question for operators, answered by `told` or `failed` (questions.ts). */
export interface AskFrame extends Asked {
  readonly t: 'ask'
  readonly what: string
  readonly json: string
}

/** Answers `hello`, and again whenever the sender's view has changed. */
export interface WelcomeFrame {
  readonly t: 'welcome'
  readonly version: number
  readonly viewHash: string
}
/** How many requests, and bytes of them, may have been sent on this wire in all (R1). Never falls. */
export interface CreditFrame {
  readonly t: 'credit'
  readonly requests: number
  readonly bytes: number
}
export interface RepliedFrame {
  readonly t: 'replied'
  readonly id: number
  readonly offset: number
  readonly durable: boolean
  readonly duplicate: boolean
}
export interface FailedFrame {
  readonly t: 'failed'
  readonly id: number
  readonly failure: Failure
}
/** Not served here; nothing was applied, or its identity will show it. */
export interface MovedFrame {
  readonly t: 'moved'
  readonly id: number
  /** Numbers the `moved` answers to sends of this wire; 0 for other requests. */
  readonly move: number
  readonly viewHash: string
  /** Who owns the actor in the view of this node; '' for nobody or itself. */
  readonly owner: string
  /** Only a node that offers the type in this version or a newer one can serve the actor; 0: any. */
  readonly minVersion: number
}
export interface AnsweredFrame {
  readonly t: 'answered'
  readonly id: number
  readonly offset: number
  readonly json: string
}
export interface StateFrame {
  readonly t: 'state'
  readonly id: number
  readonly state: TopicState
}
export interface PageFrame {
  readonly t: 'page'
  readonly id: number
  readonly page: HistoryPage
}
export interface PulledFrame {
  readonly t: 'pulled'
  readonly id: number
  /** Empty: it is not here. */
  readonly bytes: Uint8Array
  /** The view under which nothing is left here that belongs to others; '' while there is. */
  readonly finished: string
}
export interface HandedFrame {
  readonly t: 'handed'
  readonly id: number
  readonly taken: boolean
}
export interface ToldFrame {
  readonly t: 'told'
  readonly id: number
  readonly json: string
}
export interface NoteFrame {
  readonly t: 'note'
  readonly sub: number
  readonly note: Note
}
export interface EndedFrame {
  readonly t: 'ended'
  readonly sub: number
}

export type AskingFrame =
  | HelloFrame
  | SeenFrame
  | SendFrame
  | QueryFrame
  | TopicFrame
  | UnsubscribeFrame
  | HistoryFrame
  | RenewFrame
  | PullFrame
  | BundleFrame
  | FinishedFrame
  | AskFrame
/** Answers to one request, by its id. */
export type AnswerFrame =
  RepliedFrame | FailedFrame | MovedFrame | AnsweredFrame | StateFrame | PageFrame | PulledFrame | HandedFrame | ToldFrame
export type AnsweringFrame = WelcomeFrame | CreditFrame | AnswerFrame | NoteFrame | EndedFrame
export type LinkFrame = AskingFrame | AnsweringFrame

/** By number on the wire: only ever add at the end. */
export const ERROR_CODES: readonly ErrorCode[] = [
  'unauthenticated',
  'denied',
  'expired',
  'not_found',
  'unknown_event',
  'unknown_topic',
  'unknown_query',
  'invalid',
  'refused',
  'conflict',
  'out_of_order',
  'too_large',
  'rate_limited',
  'overloaded',
  'moved',
  'timeout',
  'unavailable',
  'store_unavailable',
  'gap',
  'internal',
]
