/**
 * Taking one event: from "is it new?" to an entry in the draft (DESIGN D1, D2, D4, J6, J7). One function a step, in their order.
 * Nothing here waits: the outcome is decided now and told at the gate.
 */
import { fail, type Failure } from '../errors.ts'
import type { Activation } from './activation.ts'
import type { SendCall } from './calls.ts'
import { Dedupe, dedupeLimits, isActorSource, type Answer, type FinalRefusal } from './dedupe.ts'
import type { EventDefinition } from './define.ts'
import { Effects } from './effects.ts'
import { runTurn } from './guarded-turn.ts'
import type { Host } from './host.ts'
import { proveDecided } from './reads.ts'
import { asRecorded, dataOf } from './recorded.ts'
import { SendRequest, type Task } from './requests.ts'
import { dropTimer, setTimer } from './timers.ts'
import { contentOf, type Asks } from './turn.ts'
import { unknownName } from './unknown-name.ts'
import { validate } from './validate.ts'

/** A timer of the actor itself. */
export interface TimerEvent {
  readonly timer: string
  /** Its event's time is not below this. */
  readonly notBefore: number
  readonly type: string
  readonly json: string
}

type Known = Pick<Activation, 'known' | 'memory'>

interface Taken {
  readonly type: string
  readonly data: unknown
  readonly json: string
  readonly sender: string
  /** Source or key; null for an event without identity. */
  readonly source: string | null
  /** 0 with a key. */
  readonly seq: number
  readonly base: number
  readonly content: number
  /** The entry's time is not below this: a timer's due, though the clock went back since it rang. */
  readonly notBefore: number
  readonly request: SendRequest | null
}

export function takeRequest(activation: Activation, host: Host, request: SendRequest): void {
  const { writer, definition } = activation
  const turnedAway = writer.late
    ? fail('store_unavailable', 'this actor’s events could not be written for too long: repeat later', { retryAfterMs: 1000 })
    : definition.durability !== 'event' && writer.bound() === 'full'
      ? fail('overloaded', 'too much of this actor waits to be written: repeat later', { retryAfterMs: 200 })
      : null
  if (turnedAway === null) takeEvent(activation, host, request)
  else turnAway(activation, request, turnedAway)
}

export function takeEvent(activation: Activation, host: Host, from: SendRequest | TimerEvent): void {
  const taken = 'timer' in from ? ofTimer(from) : ofRequest(activation, host, from)
  if (taken === null) return
  if (!isNew(activation, host, taken)) return
  const event = activation.definition.events.get(taken.type)
  if (event === undefined) {
    refuse(activation, host, taken, {
      code: 'unknown_event',
      message: unknownName(activation.definition.type, 'event', taken.type, activation.definition.events),
      reason: '',
    })
    return
  }
  const valid = validate(host.learnt, event, taken.type, taken.data)
  if (valid === null) turn(activation, host, taken, event)
  else if ('code' in valid) refuse(activation, host, taken, valid)
  else turn(activation, host, { ...taken, ...valid }, event)
}

function ofTimer({ timer, notBefore, type, json }: TimerEvent): Taken {
  return {
    type,
    data: dataOf(JSON.parse(json)),
    json,
    sender: `timer:${timer}`,
    source: null,
    seq: 0,
    base: 0,
    content: 0,
    notBefore,
    request: null,
  }
}

function ofRequest(activation: Activation, host: Host, request: SendRequest): Taken | null {
  const { type, sender, source, seq, base, key } = request.call
  const { json } = request
  if (json === null) {
    reject(activation, request, fail('invalid', 'the data is not JSON'))
    return null
  }
  // Other actors' sends were measured when they were made, and are always taken (D4).
  if (json.length > host.options.eventBytes && !sender.startsWith('actor:')) {
    reject(activation, request, fail('too_large', `the event has ${json.length} bytes; the limit is ${host.options.eventBytes}`))
    return null
  }
  const data = asRecorded(request.call.data ?? null, json) // absent data is recorded, and folded, as null
  if (source !== undefined && seq !== undefined) {
    const content = contentOf(type, json)
    return { type, data, json, sender, source, seq, base: Math.min(base ?? 0, seq), content, notBefore: 0, request }
  }
  if (key !== undefined)
    return { type, data, json, sender, source: key, seq: 0, base: 0, content: contentOf(type, json), notBefore: 0, request }
  return { type, data, json, sender, source: null, seq: 0, base: 0, content: 0, notBefore: 0, request }
}

/** Stands in for a table that was not needed yet; nothing is ever put into it. */
const NOTHING_KNOWN = new Dedupe({ answersKept: 1, keysKept: 1, dedupeTtlMs: 1 })

/** D1. Answers a repeat, a conflict or a hole, and says false. */
function isNew(activation: Activation, host: Host, { source, seq, base, content, request, sender }: Taken): boolean {
  if (request === null) return true
  if (source !== null) {
    const judgement = (activation.memory.dedupe ?? NOTHING_KNOWN).judge(source, seq, content, base)
    switch (judgement.kind) {
      case 'new':
        break
      case 'repeat':
        host.counters.duplicates++
        repeat(activation, request, judgement.answer)
        return false
      case 'old':
        host.counters.duplicates++
        if (isActorSource(source)) {
          request.outcome = { ok: true, offset: 0, durable: true, duplicate: true }
          activation.writer.gateDurable(request)
        } else reject(activation, request, fail('gap', 'this number was answered before, and its answer is no longer kept'))
        return false
      case 'window':
        reject(
          activation,
          request,
          fail('overloaded', 'too many numbers of this source are unanswered: wait for some', { retryAfterMs: 50 }),
        )
        return false
      case 'conflict':
        reject(activation, request, fail('conflict', 'this number or key was used before with other content'))
        return false
      case 'hole':
        reject(activation, request, fail('out_of_order', `number ${judgement.next} is due`))
        return false
    }
  }
  return withinEffects(activation, host, request, sender)
}

/** The first answer again; it waits at the gate like the first (D1). */
function repeat(activation: Activation, request: SendRequest, { offset, refusal, seq }: Answer): void {
  request.outcome =
    refusal === null
      ? {
          ok: true,
          offset,
          durable: offset <= activation.writer.durableOffset || leavesDurable(activation, request),
          duplicate: true,
        }
      : refusalFailure(refusal, seq === 0 ? null : seq + 1)
  leave(activation, request)
}

/** Towards another actor an answer is final (D4): it waits for durability even where clients do not (J9). */
function leave(activation: Activation, request: SendRequest): void {
  if (leavesDurable(activation, request)) activation.writer.gateDurable(request)
  else activation.gate(request)
}

function leavesDurable({ definition }: Activation, { call }: SendRequest): boolean {
  return definition.durability === 'event' || call.sender.startsWith('actor:')
}

/** D4: too many undelivered effects stop clients; actors and timers are always taken. */
function withinEffects(activation: Activation, host: Host, request: SendRequest, sender: string): boolean {
  const { effects } = activation.memory
  if (effects === null || sender.startsWith('actor:')) return true
  const { effectsPending, effectsPendingBytes } = host.options
  if (effects.pending < effectsPending && effects.bytes < effectsPendingBytes) return true
  reject(activation, request, fail('overloaded', 'this actor has too many undelivered sends: repeat later', { retryAfterMs: 500 }))
  return false
}

function turn(activation: Activation, host: Host, taken: Taken, event: EventDefinition<unknown, unknown, string>): void {
  const { memory, id, key } = activation
  const wall = host.clock.now()
  const at = Math.max(wall, memory.lastAt, taken.notBefore)
  const offset = memory.offset + 1
  const begunAt = host.clock.mono()
  const place = { id, key, now: at, wall, offset, sender: taken.sender }
  const outcome = runTurn(activation, host, { type: taken.type, event, data: taken.data, place })
  const tookMs = host.clock.mono() - begunAt
  if (tookMs > host.options.turnBudgetMs) {
    host.counters.slowTurns++
    host.log.warn({ actor: id, event: taken.type, tookMs: Math.round(tookMs) }, 'a reducer ran over its time budget')
  }
  switch (outcome.kind) {
    case 'next':
      record(activation, host, taken, outcome.state, outcome.asks, at)
      return
    case 'refused':
      host.counters.refused++
      refuse(activation, host, taken, {
        code: 'refused',
        message: outcome.message === '' ? outcome.reason : outcome.message,
        reason: outcome.reason,
      })
      return
    case 'threw':
      host.counters.threw++
      host.log.error({ actor: id, event: taken.type, offset }, `a reducer threw: ${describe(outcome.error)}`)
      refuse(activation, host, taken, {
        code: 'internal',
        message: `the reducer of '${taken.type}' failed${host.check ? ` (${String(outcome.error)})` : '; the node’s log says why'}. Nothing was recorded`,
        reason: '',
      })
  }
}

function record(activation: Activation, host: Host, taken: Taken, state: unknown, asks: Asks | null, at: number): void {
  const { memory, writer } = activation
  const { draft } = writer
  memory.state = state
  memory.offset++
  memory.lastAt = at
  const { offset } = memory
  const entry = { offset, type: taken.type, at, json: taken.json, sender: taken.sender }
  draft.entry(entry, taken.source, taken.seq, taken.content)
  remember(activation, host, taken, { seq: taken.seq, content: taken.content, offset, refusal: null }, at)
  const marks = asks === null ? null : grant(activation, host, asks, offset)
  host.counters.events++
  activation.tookEntry(entry, marks)
  const { request } = taken
  if (request === null) return
  request.outcome = { ok: true, offset, durable: leavesDurable(activation, request), duplicate: false }
  leave(activation, request)
}

/** Does what the turn asked for; returns the topics it marked. */
function grant(activation: Activation, host: Host, asks: Asks, offset: number): ReadonlyMap<string, number> {
  const { memory, writer } = activation
  for (const topic of asks.notified) {
    ;(memory.marks ??= new Map()).set(topic, offset)
    writer.draft.mark(topic, offset)
  }
  for (const { to, type, json } of asks.sends) writer.draft.effect((memory.effects ??= new Effects()).begin(to, type, json))
  for (const { name, due, notBefore, type, json } of asks.timers) {
    if (due === null) dropTimer(host, activation, name)
    else setTimer(host, activation, name, { due, notBefore, type, json })
  }
  return new Map(asks.notified.map((topic) => [topic, offset]))
}

/** D2: a final refusal uses up its number, without an entry, and leaves through the gate. */
function refuse(activation: Activation, host: Host, taken: Taken, refusal: FinalRefusal): void {
  const { source, seq, content, request } = taken
  if (request === null) {
    host.log.warn({ actor: activation.id, event: taken.type, code: refusal.code }, 'the event of a timer was refused; the timer is done')
    return
  }
  if (source !== null) {
    const at = Math.max(host.clock.now(), activation.memory.lastAt)
    activation.writer.draft.refusal(source, seq, content, refusal, at)
    remember(activation, host, taken, { seq, content, offset: 0, refusal }, at)
  }
  request.outcome = refusalFailure(refusal, seq === 0 ? null : seq + 1)
  // No batch of it will meet the fence where this memory is behind (D2, D11).
  if (source === null) proveDecided(host, activation, request, () => leave(activation, request))
  else leave(activation, request)
}

function refusalFailure({ code, message, reason }: FinalRefusal, next: number | null): Failure {
  return fail(code, message, { ...(reason !== '' && { reason }), ...(next !== null && { next }) })
}

/** A refusal that uses up nothing: it says which number is due (D2). */
function reject(activation: Activation, request: SendRequest, failure: Failure): void {
  const next = dueOf(activation, request.call)
  request.answer(next === null ? failure : { ...failure, next })
}

/**
 * What an activation has no room or no store for: such a refusal says nothing of the number itself. So `next` is told (D2) where it is known,
 * unless that would say that the number is used up: then its first answer may not be durable yet, and is to be asked for again.
 */
export function turnAway(activation: Known, task: Task, failure: Failure): void {
  const call = activation.known && task instanceof SendRequest ? task.call : null
  const next = call === null ? null : dueOf(activation, call)
  task.failed(next === null || next > (call?.seq ?? 0) ? failure : { ...failure, next })
}

function dueOf({ memory }: Known, { source, seq, base = 0 }: SendCall): number | null {
  if (source === undefined || seq === undefined) return null
  return memory.dedupe?.next(source, base) ?? Math.max(1, base)
}

function remember(activation: Activation, host: Host, { source, base }: Taken, answer: Answer, at: number): void {
  if (source === null) return
  activation.memory.dedupe ??= new Dedupe(dedupeLimits(host.options, activation.definition))
  activation.memory.dedupe.remember(source, answer, at, base)
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
