/**
 * One subscriber's place in a topic. There is no queue: a subscription is a position, and what lies after it is with the upstream
 * (signal, view: only the newest value) or in the actor's history (log). So a slow consumer costs nothing and loses nothing (D9).
 */
import type { TopicState } from '../actors/calls.ts'
import type { Position } from '../protocol/frames.ts'
import type { PullTurn } from './pull-turn.ts'
import type { SharedNote } from './shared-note.ts'

/** Who gets the notes: a socket's session, or a stream of server-sent events. */
export interface Subscriber {
  /** Whether notes may be written now. When it is true again, `roomAgain` of each subscription is called. */
  readonly room: boolean
  /** Shared by its subscriptions. */
  readonly pullTurn: PullTurn
  /** `from`: one after the offset of the previous note of this subscription. */
  note(subscription: Subscription, note: SharedNote, from: number): void
  /** Entries that cannot be replayed. `journal`: named when the subscription goes on in another one. */
  gap(subscription: Subscription, from: number, to: number, journal: string | undefined): void
}

export interface Subscription {
  /** The number the subscriber gave it. */
  readonly sub: number
  /** Where the subscriber is: offset of the last note, or of the answer to subscribe. */
  readonly offset: number
  /** Once, when the answer to the subscribe has been written: writes what already follows it. */
  begin(start: Start): void
  /** A live note of the upstream. */
  offer(note: SharedNote): void
  /** The upstream subscribed again: the topic as it stands, and whether its journal is another than before (D8). */
  resync(state: TopicState, otherJournal: boolean): void
  roomAgain(): void
  /** Idempotent: nothing is written for it any more. */
  close(): void
}

export interface Start {
  readonly offset: number
  /** Everything after `from` is delivered. */
  readonly recovered: boolean
  /** What can no longer be replayed of a log. */
  readonly gap: { readonly from: number; readonly to: number } | null
}

/**
 * Where a subscription begins (CONTRACT §3): after `from`, if it is of this journal and what follows is still there; else now, or after
 * the gap. From the beginning is offset 0 of any journal, or of an empty one.
 */
export function startOf(state: TopicState, from: Position | undefined): Start {
  const now: Start = { offset: state.offset, recovered: false, gap: null }
  if (from === undefined) return now
  const sameJournal = from.journal === state.journal || (from.offset === 0 && from.journal === '')
  if (!sameJournal || from.offset > state.offset) return now
  if (state.kind !== 'log') return { offset: from.offset, recovered: true, gap: null }
  if (from.offset + 1 >= state.oldest || from.offset === state.offset) return { offset: from.offset, recovered: true, gap: null }
  return { offset: state.oldest - 1, recovered: false, gap: { from: from.offset + 1, to: state.oldest - 1 } }
}
