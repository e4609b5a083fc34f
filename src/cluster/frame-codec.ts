/** Frames as bytes. Every malformed input is a value that says what is wrong, never a throw (M16). */
import { ByteReader, ByteWriter } from './bytes.ts'
import {
  ADDRESS_BYTES_MAX,
  BUCKETS,
  CHUNK_RECORDS_MAX,
  FRAME_BYTES_MAX,
  ID_BYTES_MAX,
  INCARNATION_MAX,
  STEP_MAX,
  UPDATES_MAX,
  type Body,
  type Frame,
  type Header,
  type Identity,
  type Update,
} from './frames.ts'
import { readUpdate, writeUpdate } from './record-codec.ts'

const VERSION = 1
const KINDS = ['ping', 'ack', 'pingreq', 'nack', 'gossip', 'compare', 'records', 'duplicate'] as const satisfies readonly Body['kind'][]
const SEQ_MAX = 0xffff_ffff
const WITHIN_MS_MAX = 10 * 60_000

/** One for all frames, as nothing is written while another is: a buffer for each costs more than what is written. */
const writer = new ByteWriter()

function begun(): ByteWriter {
  writer.cut(0)
  return writer
}

/** Who calls keeps it below FRAME_BYTES_MAX (`updateBytes`). */
export function encodeFrame({ header, body, updates }: Frame): Uint8Array {
  const to = begun()
  to.byte(VERSION)
  to.byte(KINDS.indexOf(body.kind))
  to.u32(header.cluster)
  to.u32(header.boot)
  to.text(header.id)
  to.varint(header.generation)
  to.varint(header.incarnation)
  to.u32(header.digest.a)
  to.u32(header.digest.b)
  to.varint(header.step)
  writeBody(to, body)
  to.varint(updates.length)
  for (const update of updates) writeUpdate(to, update)
  return to.take()
}

/** How many bytes an update takes in a frame. */
export function updateBytes(update: Update): number {
  const to = begun()
  writeUpdate(to, update)
  return to.length
}

export type Decoded = { readonly ok: true; readonly frame: Frame } | { readonly ok: false; readonly why: string }

const wrong = (why: string): Decoded => ({ ok: false, why })

export function decodeFrame(bytes: Uint8Array): Decoded {
  if (bytes.length > FRAME_BYTES_MAX) return wrong('too_large')
  const from = new ByteReader(bytes)
  const version = from.byte()
  if (version !== VERSION) return wrong('version')
  const kind = KINDS[from.byte()]
  const header = readHeader(from)
  if (kind === undefined || header === null) return wrong('header')
  const body = readBody(from, kind)
  if (body === null || from.failed) return wrong('body')
  const count = from.varint(kind === 'records' ? CHUNK_RECORDS_MAX : UPDATES_MAX)
  if (from.failed) return wrong('updates')
  const updates: Update[] = []
  for (let i = 0; i < count; i++) {
    const update = readUpdate(from)
    if (update === null) return wrong('record')
    updates.push(update)
  }
  if (from.failed || !from.done) return wrong('length')
  return { ok: true, frame: { header, body, updates } }
}

function readHeader(from: ByteReader): Header | null {
  const cluster = from.u32()
  const boot = from.u32()
  const id = from.text(ID_BYTES_MAX, 1)
  const generation = from.varint()
  const incarnation = from.varint(INCARNATION_MAX)
  const digest = { a: from.u32(), b: from.u32() }
  const step = from.varint(STEP_MAX)
  return from.failed ? null : { cluster, boot, id, generation, incarnation, digest, step }
}

function writeIdentity(to: ByteWriter, { id, generation }: Identity): void {
  to.text(id)
  to.varint(generation)
}

function readIdentity(from: ByteReader): Identity {
  return { id: from.text(ID_BYTES_MAX, 1), generation: from.varint() }
}

function writeBody(to: ByteWriter, body: Body): void {
  switch (body.kind) {
    case 'ping':
      to.varint(body.seq)
      writeIdentity(to, body.target)
      return
    case 'ack':
      to.varint(body.seq)
      to.byte(body.subject === null ? 0 : 1)
      if (body.subject === null) return
      writeIdentity(to, body.subject)
      to.varint(body.subject.incarnation)
      return
    case 'pingreq':
      to.varint(body.seq)
      writeIdentity(to, body.target)
      to.text(body.address)
      to.varint(Math.round(body.withinMs))
      return
    case 'nack':
      to.varint(body.seq)
      to.byte(body.refused ? 1 : 0)
      return
    case 'gossip':
      return
    case 'compare':
      for (const sum of body.buckets) to.u32(sum)
      return
    case 'records':
      to.u32(body.low)
      to.u32(body.high)
      to.byte((body.last ? 1 : 0) | (body.answer ? 2 : 0))
      return
    case 'duplicate':
      to.u32(body.boot)
  }
}

function readBody(from: ByteReader, kind: Body['kind']): Body | null {
  switch (kind) {
    case 'ping':
      return { kind, seq: from.varint(SEQ_MAX), target: readIdentity(from) }
    case 'ack': {
      const seq = from.varint(SEQ_MAX)
      const relayed = from.byte()
      if (relayed > 1) return null
      return { kind, seq, subject: relayed === 0 ? null : { ...readIdentity(from), incarnation: from.varint(INCARNATION_MAX) } }
    }
    case 'pingreq':
      return {
        kind,
        seq: from.varint(SEQ_MAX),
        target: readIdentity(from),
        address: from.text(ADDRESS_BYTES_MAX, 1),
        withinMs: from.varint(WITHIN_MS_MAX),
      }
    case 'nack': {
      const seq = from.varint(SEQ_MAX)
      const how = from.byte()
      return how > 1 ? null : { kind, seq, refused: how === 1 }
    }
    case 'gossip':
      return { kind }
    case 'compare':
      return { kind, buckets: Uint32Array.from({ length: BUCKETS }, () => from.u32()) }
    case 'records': {
      const low = from.u32()
      const high = from.u32()
      const flags = from.byte()
      return flags > 3 ? null : { kind, low, high, last: (flags & 1) === 1, answer: (flags & 2) === 2 }
    }
    case 'duplicate':
      return { kind, boot: from.u32() }
  }
}
