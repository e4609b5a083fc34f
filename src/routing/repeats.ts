/** When something is asked again, and which outcomes say so. */
import { parseActorId } from '../actors/actor-id.ts'
import type { HistoryOutcome, QueryOutcome, SendOutcome, TopicOutcome } from '../actors/calls.ts'
import type { Random } from '../base/random.ts'
import { fail, type Failure } from '../errors.ts'
import type { AnswerFrame } from './link-frames.ts'

const WAITS_MS = [0, 25, 100, 400, 1000] as const

/** Before the `attempt`th repeat, counted from 0: the first at once, the others with jitter of a quarter either way. */
export function repeatWaitMs(attempt: number, random: Pick<Random, 'float'>): number {
  const wait = WAITS_MS[Math.min(attempt, WAITS_MS.length - 1)] as number
  return wait * (0.75 + random.float() / 2)
}

/** A `moved` of another node, or of the engine here (`owner` ''). */
export interface Moved {
  readonly owner: string
  readonly minVersion: number
}

/** The engine here says that it does not serve the actor: others may. */
export function movedOf(outcome: { readonly ok: true } | Failure): Moved | null {
  if (outcome.ok || (outcome.code !== 'moved' && outcome.code !== 'unavailable')) return null
  return { owner: '', minVersion: outcome.minVersion ?? 0 }
}

export const CLOSING: Failure = fail('unavailable', 'this node is stopping: repeat, here or elsewhere', { retryAfterMs: 500 })
export const FULL: Failure = fail('overloaded', 'too many requests of this node wait for other nodes: repeat later', { retryAfterMs: 200 })
const WRONG = fail('internal', 'the owner’s answer is of another kind than the question')

/** Why no node can be asked for the actor. */
export function unowned(actor: string, knowsType: (type: string) => boolean): Failure {
  const parsed = parseActorId(actor)
  if ('wrong' in parsed) return fail('invalid', `'${actor.slice(0, 64)}': ${parsed.wrong}`)
  if (!knowsType(parsed.type)) return fail('not_found', `there is no actor type '${parsed.type}'`)
  return fail('unavailable', `no node in service offers the actor type '${parsed.type}': repeat later`, { retryAfterMs: 500 })
}

/** The answer to a send; `moved` is handled before. */
export function sendOutcomeOf(frame: AnswerFrame): SendOutcome {
  if (frame.t === 'replied') return { ok: true, offset: frame.offset, durable: frame.durable, duplicate: frame.duplicate }
  return frame.t === 'failed' ? frame.failure : WRONG
}

export function queryOutcomeOf(frame: AnswerFrame): QueryOutcome {
  if (frame.t === 'answered') return { ok: true, json: frame.json, offset: frame.offset }
  return frame.t === 'failed' ? frame.failure : WRONG
}

export function stateOf(frame: AnswerFrame): TopicOutcome {
  if (frame.t === 'state') return frame.state
  return frame.t === 'failed' ? frame.failure : WRONG
}

export function pageOf(frame: AnswerFrame): HistoryOutcome {
  if (frame.t === 'page') return frame.page
  return frame.t === 'failed' ? frame.failure : WRONG
}
