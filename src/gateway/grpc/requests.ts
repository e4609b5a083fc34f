/** From a service's requests to calls of actors: names, numbers and data checked, rights asked, sources and keys qualified (D1). */
import { isUtf8 } from 'node:buffer'
import type { HistoryCall, QueryCall, SendCall } from '../../actors/calls.ts'
import { fail, type Failure } from '../../errors.ts'
import { dataFault, KEY_FAULT, NAME_LENGTH_MAX, wrongKeyText } from '../../protocol/decode.ts'
import type { Position } from '../../protocol/frames.ts'
import { incoming } from '../requests.ts'
import type { Caller } from './callers.ts'
import type { HistoryRequest, QueryRequest, SendRequest, SubscribeRequest } from './messages.ts'

type Checked<Call> = { readonly ok: true; readonly call: Call } | Failure

export function sendCall(caller: Caller, request: SendRequest, depthMax: number): Checked<SendCall> {
  const { type, key, source } = request
  const fault = nameFault('type', type) ?? (key !== '' && wrongKeyText(key) ? fail('invalid', KEY_FAULT) : null) ?? sourceFault(source)
  if (fault !== null) return fault
  const data = jsonOf('data', request.data, depthMax)
  if (!data.ok) return data
  const numbers = numbersOf(request)
  if (!numbers.ok) return numbers
  const actor = caller.target('send', request.actor, type)
  if (typeof actor !== 'string') return actor
  const { seq, base } = numbers
  return {
    ok: true,
    call: {
      actor,
      type,
      data: incoming(data.value),
      sender: caller.sender,
      ...(seq > 0 && { source: caller.source(source), seq }),
      ...(base > 0 && { base }),
      ...(key !== '' && { key: caller.key(key) }),
    },
  }
}

export function queryCall(caller: Caller, request: QueryRequest, depthMax: number): Checked<QueryCall> {
  const { name, strict } = request
  const fault = nameFault('name', name)
  if (fault !== null) return fault
  const args = jsonOf('args', request.args, depthMax)
  if (!args.ok) return args
  const atLeast = countOf(request.atLeast)
  if (atLeast === null) return notANumber('at_least')
  const actor = caller.target('query', request.actor, name)
  if (typeof actor !== 'string') return actor
  return { ok: true, call: { actor, name, args: args.value, ...(strict && { strict }), ...(atLeast > 0 && { atLeast }) } }
}

export interface SubscribeCall {
  readonly actor: string
  readonly topic: string
  readonly from: Position | undefined
}

export function subscribeCall(caller: Caller, request: SubscribeRequest): Checked<SubscribeCall> {
  const { topic, journal, resume } = request
  const fault = nameFault('topic', topic)
  if (fault !== null) return fault
  const offset = countOf(request.offset)
  if (offset === null) return notANumber('offset')
  const actor = caller.target('subscribe', request.actor, topic)
  if (typeof actor !== 'string') return actor
  return { ok: true, call: { actor, topic, from: resume ? { journal, offset } : undefined } }
}

/** `limit` 0 is all. */
export function historyCall(caller: Caller, request: HistoryRequest): Checked<Pick<HistoryCall, 'actor' | 'from' | 'limit'>> {
  const from = countOf(request.from)
  if (from === null) return notANumber('from')
  const actor = caller.target('history', request.actor, '')
  if (typeof actor !== 'string') return actor
  return { ok: true, call: { actor, from: Math.max(1, from), limit: request.limit } }
}

function nameFault(field: string, name: string): Failure | null {
  return name !== '' && name.length <= NAME_LENGTH_MAX
    ? null
    : fail('invalid', `\`${field}\` must be a text of 1–${NAME_LENGTH_MAX} characters`)
}

function sourceFault(source: string): Failure | null {
  return source.length <= NAME_LENGTH_MAX ? null : fail('invalid', `\`source\` has at most ${NAME_LENGTH_MAX} characters`)
}

type Numbers = { readonly ok: true; readonly seq: number; readonly base: number } | Failure

function numbersOf(request: SendRequest): Numbers {
  const seq = countOf(request.sequence)
  const base = countOf(request.base)
  if (seq === null) return notANumber('sequence')
  if (base === null) return notANumber('base')
  if (request.source === '' && (seq > 0 || base > 0))
    return fail('invalid', '`sequence` and `base` count the events of a `source`: name one')
  if (request.source !== '' && seq === 0) return fail('invalid', 'with `source`, `sequence` is 1, 2, 3 … for each actor')
  if (base > seq) return fail('invalid', '`base` is at most `sequence`: the oldest number without a final answer')
  return { ok: true, seq, base }
}

/** A uint64 below 2^53, or null. */
function countOf(text: string): number | null {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}

function notANumber(field: string): Failure {
  return fail('invalid', `\`${field}\` must be below 2^53`)
}

function jsonOf(field: string, bytes: Buffer, depthMax: number): { readonly ok: true; readonly value: unknown } | Failure {
  if (bytes.length === 0) return { ok: true, value: undefined }
  if (!isUtf8(bytes)) return fail('invalid', `\`${field}\` is not UTF-8: it is a JSON text`)
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    return fail('invalid', `\`${field}\` is not JSON`)
  }
  const fault = dataFault(value, depthMax)
  return fault === null ? { ok: true, value } : fail('invalid', fault)
}
