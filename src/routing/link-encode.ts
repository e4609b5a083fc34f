/** Frames of a link as bytes (link-frames.ts). One function a kind, from the values at hand: nothing is built to be encoded. */
import type { HistoryCall, HistoryPage, Note, QueryCall, SendCall, TopicCall, TopicState } from '../actors/calls.ts'
import type { Failure } from '../errors.ts'
import type { ByteWriter } from './bytes.ts'
import { ERROR_CODES, KIND, LINK_VERSION, type Renewal } from './link-frames.ts'

/** Event data ready for the wire: nothing, JSON text, or bytes. */
export type Payload = string | Uint8Array | undefined

export const DATA = { none: 0, json: 1, bytes: 2 } as const
export const SEND = { source: 1, seq: 2, base: 4, key: 8 } as const
export const QUERY = { strict: 1, atLeast: 2 } as const
export const FAILURE = { retryAfterMs: 1, reason: 2, next: 4 } as const
export const STATE = { json: 1, types: 2, allTypes: 4 } as const
export const NOTE = { type: 1, at: 2, json: 4 } as const
export const TOPIC_KINDS = ['signal', 'view', 'log'] as const

/** What JSON cannot carry is null. */
export function payloadOf(data: unknown): Payload | null {
  if (data === undefined || data instanceof Uint8Array) return data
  try {
    return (JSON.stringify(data) as string | undefined) ?? null
  } catch {
    return null
  }
}

function begin(out: ByteWriter, kind: number): number {
  out.u8(kind)
  return out.hole()
}

function end(out: ByteWriter, hole: number): void {
  out.patch(hole, out.length - hole - 4)
}

// ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export function writeHello(out: ByteWriter, t: 'hello' | 'welcome', viewHash: string, version: number = LINK_VERSION): void {
  const at = begin(out, KIND[t])
  out.varint(version)
  out.text(viewHash)
  end(out, at)
}

export function writeSend(out: ByteWriter, id: number, timeoutMs: number, call: SendCall, data: Payload): void {
  const { source, seq, base, key } = call
  const at = begin(out, KIND.send)
  out.varint(id)
  out.varint(timeoutMs)
  out.text(call.actor)
  out.text(call.type)
  out.text(call.sender)
  out.u8(
    (source === undefined ? 0 : SEND.source) |
      (seq === undefined ? 0 : SEND.seq) |
      (base === undefined ? 0 : SEND.base) |
      (key === undefined ? 0 : SEND.key),
  )
  if (source !== undefined) out.text(source)
  if (seq !== undefined) out.varint(seq)
  if (base !== undefined) out.varint(base)
  if (key !== undefined) out.text(key)
  writePayload(out, data)
  end(out, at)
}

function writePayload(out: ByteWriter, data: Payload): void {
  if (data === undefined) out.u8(DATA.none)
  else if (typeof data === 'string') {
    out.u8(DATA.json)
    out.text(data)
  } else {
    out.u8(DATA.bytes)
    out.bytes(data)
  }
}

export function writeQuery(out: ByteWriter, id: number, timeoutMs: number, call: QueryCall, args: Payload): void {
  const { strict, atLeast } = call
  const at = begin(out, KIND.query)
  out.varint(id)
  out.varint(timeoutMs)
  out.text(call.actor)
  out.text(call.name)
  out.u8((strict === true ? QUERY.strict : 0) | (atLeast === undefined ? 0 : QUERY.atLeast))
  if (atLeast !== undefined) out.varint(atLeast)
  writePayload(out, args)
  end(out, at)
}

export function writeTopic(out: ByteWriter, t: 'topic' | 'subscribe', id: number, timeoutMs: number, call: TopicCall): void {
  const at = begin(out, KIND[t])
  out.varint(id)
  out.varint(timeoutMs)
  out.text(call.actor)
  out.text(call.topic)
  out.varint(call.atLeast ?? 0)
  end(out, at)
}

export function writeHistory(out: ByteWriter, id: number, timeoutMs: number, call: HistoryCall): void {
  const at = begin(out, KIND.history)
  out.varint(id)
  out.varint(timeoutMs)
  out.text(call.actor)
  out.varint(call.from)
  out.varint(call.limit)
  out.u8(call.types == null ? 0 : 1)
  if (call.types != null) writeTexts(out, call.types)
  end(out, at)
}

export function writeRenew(out: ByteWriter, renewals: readonly Renewal[]): void {
  const at = begin(out, KIND.renew)
  out.varint(renewals.length)
  for (const { sub, journal, epoch, offset } of renewals) {
    out.varint(sub)
    out.text(journal)
    out.varint(epoch)
    out.varint(offset)
  }
  end(out, at)
}

export function writePull(out: ByteWriter, id: number, timeoutMs: number, actor: string): void {
  const at = begin(out, KIND.pull)
  out.varint(id)
  out.varint(timeoutMs)
  out.text(actor)
  end(out, at)
}

export function writeBundle(out: ByteWriter, id: number, timeoutMs: number, actor: string, bytes: Uint8Array): void {
  const at = begin(out, KIND.bundle)
  out.varint(id)
  out.varint(timeoutMs)
  out.text(actor)
  out.bytes(bytes)
  end(out, at)
}

export function writeNumber(out: ByteWriter, t: 'seen' | 'unsubscribe' | 'ended', value: number): void {
  const at = begin(out, KIND[t])
  out.varint(value)
  end(out, at)
}

export function writeFinished(out: ByteWriter, viewHash: string): void {
  const at = begin(out, KIND.finished)
  out.text(viewHash)
  end(out, at)
}

export function writeAsk(out: ByteWriter, id: number, timeoutMs: number, what: string, json: string): void {
  const at = begin(out, KIND.ask)
  out.varint(id)
  out.varint(timeoutMs)
  out.text(what)
  out.text(json)
  end(out, at)
}

// ── Answering ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function writeCredit(out: ByteWriter, requests: number, bytes: number): void {
  const at = begin(out, KIND.credit)
  out.varint(requests)
  out.varint(bytes)
  end(out, at)
}

export function writeReplied(out: ByteWriter, id: number, offset: number, durable: boolean, duplicate: boolean): void {
  const at = begin(out, KIND.replied)
  out.varint(id)
  out.varint(offset)
  out.u8((durable ? 1 : 0) | (duplicate ? 2 : 0))
  end(out, at)
}

export function writeFailed(out: ByteWriter, id: number, failure: Failure): void {
  const { retryAfterMs, reason, next } = failure
  const at = begin(out, KIND.failed)
  out.varint(id)
  out.u8(ERROR_CODES.indexOf(failure.code))
  out.text(failure.message)
  out.u8(
    (retryAfterMs === undefined ? 0 : FAILURE.retryAfterMs) |
      (reason === undefined ? 0 : FAILURE.reason) |
      (next === undefined ? 0 : FAILURE.next),
  )
  if (retryAfterMs !== undefined) out.varint(Math.max(0, Math.ceil(retryAfterMs)))
  if (reason !== undefined) out.text(reason)
  if (next !== undefined) out.varint(next)
  end(out, at)
}

export function writeMoved(out: ByteWriter, id: number, move: number, viewHash: string, owner: string, minVersion: number): void {
  const at = begin(out, KIND.moved)
  out.varint(id)
  out.varint(move)
  out.text(viewHash)
  out.text(owner)
  out.varint(minVersion)
  end(out, at)
}

export function writeAnswered(out: ByteWriter, id: number, offset: number, json: string): void {
  const at = begin(out, KIND.answered)
  out.varint(id)
  out.varint(offset)
  out.text(json)
  end(out, at)
}

export function writeState(out: ByteWriter, id: number, state: TopicState): void {
  const { json, types } = state
  const at = begin(out, KIND.state)
  out.varint(id)
  out.u8(TOPIC_KINDS.indexOf(state.kind))
  out.text(state.journal)
  out.varint(state.epoch)
  out.varint(state.offset)
  out.varint(state.changed)
  out.varint(state.oldest)
  out.f64(state.everyMs)
  out.u8((json === undefined ? 0 : STATE.json) | (types === undefined ? 0 : types === null ? STATE.allTypes : STATE.types))
  if (json !== undefined) out.text(json)
  if (types != null) writeTexts(out, types)
  end(out, at)
}

export function writePage(out: ByteWriter, id: number, page: HistoryPage): void {
  const at = begin(out, KIND.page)
  out.varint(id)
  out.u8(page.more ? 1 : 0)
  out.varint(page.next)
  out.varint(page.oldest)
  out.text(page.journal)
  out.varint(page.entries.length)
  for (const { offset, type, at: time, json } of page.entries) {
    out.varint(offset)
    out.text(type)
    out.f64(time)
    out.text(json)
  }
  end(out, at)
}

export function writePulled(out: ByteWriter, id: number, bytes: Uint8Array, finished: string): void {
  const at = begin(out, KIND.pulled)
  out.varint(id)
  out.bytes(bytes)
  out.text(finished)
  end(out, at)
}

export function writeHanded(out: ByteWriter, id: number, taken: boolean): void {
  const at = begin(out, KIND.handed)
  out.varint(id)
  out.u8(taken ? 1 : 0)
  end(out, at)
}

export function writeTold(out: ByteWriter, id: number, json: string): void {
  const at = begin(out, KIND.told)
  out.varint(id)
  out.text(json)
  end(out, at)
}

export function writeNote(out: ByteWriter, sub: number, note: Note): void {
  const { type, at: time, json } = note
  const at = begin(out, KIND.note)
  out.varint(sub)
  out.text(note.journal)
  out.varint(note.epoch)
  out.varint(note.offset)
  out.u8((type === undefined ? 0 : NOTE.type) | (time === undefined ? 0 : NOTE.at) | (json === undefined ? 0 : NOTE.json))
  if (type !== undefined) out.text(type)
  if (time !== undefined) out.f64(time)
  if (json !== undefined) out.text(json)
  end(out, at)
}

function writeTexts(out: ByteWriter, texts: readonly string[]): void {
  out.varint(texts.length)
  for (const text of texts) out.text(text)
}
