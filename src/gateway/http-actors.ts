/**
 * `/v1/actors/{type}/{key}/…` (CONTRACT §4): events, queries, history; topics are in http-topics.ts.
 * Paths are taken apart as sent, so that `%2F` in a key is seen as what it is: not allowed.
 */
import type { IncomingMessage } from 'node:http'
import { parseActorId } from '../actors/actor-id.ts'
import type { QueryCall, SendCall, SendOutcome } from '../actors/calls.ts'
import { fail, wireError, type Failure } from '../errors.ts'
import { dataFault, KEY_FAULT, NAME_LENGTH_MAX, wrongKeyText } from '../protocol/decode.ts'
import { answerJson, pageFields } from '../protocol/encode.ts'
import type { Admitted } from './admission.ts'
import { queryOf } from './handshake.ts'
import { failedAnswer, jsonAnswer } from './http-answer.ts'
import { readJson } from './http-body.ts'
import { callerOf } from './http-caller.ts'
import { incoming, qualifiedKey, wholePage } from './requests.ts'
import type { Site } from './site.ts'

export interface ActorPath {
  readonly ok: true
  readonly actor: string
  readonly part: 'events' | 'queries' | 'history' | 'topics'
  /** Of the query or topic. */
  readonly name: string
}

const NO_ROUTE = fail('not_found', 'there is no such route: /v1/actors/{type}/{key}/ events, queries/{name}, history or topics/{topic}')

export function actorPath(path: string): ActorPath | Failure {
  const [, , , type, key, part, name, ...more] = path.split('/')
  if (type === undefined || key === undefined || part === undefined || more.length > 0) return NO_ROUTE
  const named = part === 'queries' || part === 'topics'
  if (!named && part !== 'events' && part !== 'history') return NO_ROUTE
  if (named !== (name !== undefined)) return NO_ROUTE
  try {
    const actor = `${decodeURIComponent(type)}/${decodeURIComponent(key)}`
    const id = parseActorId(actor)
    return 'wrong' in id ? fail('invalid', id.wrong) : { ok: true, actor, part, name: decodeURIComponent(name ?? '') }
  } catch {
    return fail('invalid', 'a part of the path is not percent-encoded UTF-8')
  }
}

export async function answerActors(site: Site, request: IncomingMessage, path: ActorPath): Promise<Response> {
  const method = path.part === 'events' ? 'POST' : 'GET'
  if (request.method !== method) return failedAnswer(fail('not_found', `${path.part} takes ${method}`))
  const caller = await callerOf(site, request)
  if (!caller.ok) return failedAnswer(caller)
  switch (path.part) {
    case 'events':
      return events(site, request, path.actor, caller)
    case 'queries':
      return query(site, request, path, caller)
    case 'history':
      return history(site, request, path.actor, caller)
    case 'topics':
      return failedAnswer(NO_ROUTE)
  }
}

// ── Events ─────────────────────────────────────────────────────────────────────────────────────────────────────────

async function events(site: Site, request: IncomingMessage, actor: string, caller: Admitted): Promise<Response> {
  const body = await readJson(request, site.options.httpBodyBytes)
  if (!body.ok) return failedAnswer(body)
  const header = request.headers['idempotency-key']
  const key = typeof header === 'string' ? header : undefined
  if (!Array.isArray(body.value)) {
    const outcome = await sendOne(site, actor, caller, body.value, key)
    return outcome.ok ? jsonAnswer(`{${sentFields(outcome)}}`) : failedAnswer(outcome)
  }
  const { httpBatchEvents } = site.options
  if (body.value.length > httpBatchEvents) return failedAnswer(fail('too_large', `a request has at most ${httpBatchEvents} events`))
  // All are sent before the first is answered: in order, and in one commit.
  const outcomes = await Promise.all(
    body.value.map((item, at) => sendOne(site, actor, caller, item, key === undefined ? undefined : `${key}:${at}`)),
  )
  const answers = outcomes.map((outcome) =>
    outcome.ok ? `{"ok":true,${sentFields(outcome)}}` : `{"ok":false,"error":${JSON.stringify(wireError(outcome))}}`,
  )
  return jsonAnswer(`[${answers.join(',')}]`)
}

function sentFields({
  offset,
  durable,
  duplicate,
}: {
  readonly offset: number
  readonly durable: boolean
  readonly duplicate: boolean
}): string {
  return `"offset":${offset},"durable":${durable}${duplicate ? ',"duplicate":true' : ''}`
}

function sendOne(site: Site, to: string, { who }: Admitted, item: unknown, headerKey: string | undefined): Promise<SendOutcome> {
  const checked = checkedEvent(item, headerKey, site.options.frameDepth)
  if (!checked.ok) return Promise.resolve(checked)
  const { type, data, key } = checked
  const actor = site.rights.target(who, 'send', to, type)
  if (typeof actor !== 'string') return Promise.resolve(actor)
  const call: SendCall = {
    actor,
    type,
    data: incoming(data),
    sender: `user:${who.sub}`,
    ...(key !== undefined && { key: qualifiedKey(who.sub, key) }),
  }
  site.counters.sends++
  return new Promise((resolve) => site.calls.send(call, resolve))
}

type Checked = { readonly ok: true; readonly type: string; readonly data: unknown; readonly key: string | undefined } | Failure

function checkedEvent(item: unknown, headerKey: string | undefined, depthMax: number): Checked {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return fail('invalid', 'an event is {"type":…,"data":…,"key":…}')
  const { type, data, key = headerKey } = item as Readonly<Record<string, unknown>>
  if (typeof type !== 'string' || type === '' || type.length > NAME_LENGTH_MAX)
    return fail('invalid', `\`type\` must be a text of 1–${NAME_LENGTH_MAX} characters`)
  if (key !== undefined && (typeof key !== 'string' || wrongKeyText(key))) return fail('invalid', KEY_FAULT)
  const fault = dataFault(data, depthMax)
  return fault === null ? { ok: true, type, data, key } : fail('invalid', fault)
}

// ── Queries and history ────────────────────────────────────────────────────────────────────────────────────────────

async function query(site: Site, request: IncomingMessage, path: ActorPath, { who }: Admitted): Promise<Response> {
  const given = queryOf(request)
  const actor = site.rights.target(who, 'query', path.actor, path.name)
  if (typeof actor !== 'string') return failedAnswer(actor)
  const args = argsOf(given['args'], site.options.frameDepth)
  if (!args.ok) return failedAnswer(args)
  const atLeast = countOf(given['atLeast'], 0)
  if (atLeast === null) return failedAnswer(fail('invalid', '`atLeast` must be an offset'))
  const call: QueryCall = {
    actor,
    name: path.name,
    args: args.value,
    ...(given['strict'] !== undefined && { strict: given['strict'] !== 'false' }),
    ...(atLeast > 0 && { atLeast }),
  }
  site.counters.queries++
  return new Promise((resolve) =>
    site.calls.query(call, (outcome) => resolve(outcome.ok ? jsonAnswer(answerJson(outcome.json, outcome.offset)) : failedAnswer(outcome))),
  )
}

function argsOf(text: string | undefined, depthMax: number): { readonly ok: true; readonly value: unknown } | Failure {
  if (text === undefined) return { ok: true, value: undefined }
  try {
    const value = JSON.parse(text) as unknown
    const fault = dataFault(value, depthMax)
    return fault === null ? { ok: true, value } : fail('invalid', fault)
  } catch {
    return fail('invalid', '`args` must be JSON')
  }
}

async function history(site: Site, request: IncomingMessage, path: string, { who }: Admitted): Promise<Response> {
  const given = queryOf(request)
  const actor = site.rights.target(who, 'history', path, '')
  if (typeof actor !== 'string') return failedAnswer(actor)
  const { historyEntries } = site.options
  const from = countOf(given['from'], 1)
  const limit = countOf(given['limit'], historyEntries)
  if (from === null || limit === null || limit === 0)
    return failedAnswer(fail('invalid', '`from` must be an offset and `limit` a whole number from 1'))
  return new Promise((resolve) =>
    site.calls.history({ actor, from: Math.max(1, from), limit: Math.min(limit, historyEntries) }, (page) => {
      const outcome = wholePage(page, from)
      resolve(outcome.ok ? jsonAnswer(`{${pageFields(outcome.entries, outcome.more)}}`) : failedAnswer(outcome))
    }),
  )
}

function countOf(text: string | undefined, absent: number): number | null {
  if (text === undefined) return absent
  const value = Number(text)
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(value) ? value : null
}
