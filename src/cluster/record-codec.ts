/** A record as bytes, and back with every field checked: null is a record that no member could have sent. */
import { META_BYTES_MAX, isTerminal, metaText, type Liveness, type MemberMeta, type Phase, type Role } from './member.ts'
import type { ByteReader, ByteWriter } from './bytes.ts'
import { ADDRESS_BYTES_MAX, ID_BYTES_MAX, INCARNATION_MAX, type Update } from './frames.ts'
import { ACCUSERS_MAX, type Accuser } from './suspicion.ts'

const LIVENESS: readonly Liveness[] = ['alive', 'suspect', 'dead', 'left']
const PHASES: readonly Phase[] = ['joining', 'ready', 'draining']
const ROLES: readonly Role[] = ['gateway', 'actors']
const AGE_MS_MAX = 48 * 3_600_000
const WEIGHT_MAX = 16

export function writeUpdate(to: ByteWriter, { record, accusers, agedMs }: Update): void {
  to.text(record.id)
  to.varint(record.generation)
  to.varint(record.incarnation)
  to.byte(LIVENESS.indexOf(record.liveness) | (PHASES.indexOf(record.phase) << 2))
  to.text(record.address)
  to.text(metaText(record.meta))
  if (record.liveness === 'suspect') {
    to.byte(accusers.length)
    for (const { id, refused } of accusers) {
      to.text(id)
      to.byte(refused ? 1 : 0)
    }
  } else if (isTerminal(record.liveness)) to.varint(Math.max(0, Math.round(agedMs)))
}

export function readUpdate(from: ByteReader): Update | null {
  const id = from.text(ID_BYTES_MAX, 1)
  const generation = from.varint()
  const incarnation = from.varint(INCARNATION_MAX)
  const state = from.byte()
  const liveness = LIVENESS[state & 3]
  const phase = PHASES[state >> 2]
  const address = from.text(ADDRESS_BYTES_MAX)
  const meta = metaOf(from.text(META_BYTES_MAX))
  if (from.failed || liveness === undefined || phase === undefined || meta === null) return null
  const accusers: Accuser[] = []
  if (liveness === 'suspect') {
    const count = from.byte()
    if (count > ACCUSERS_MAX) return null
    for (let i = 0; i < count; i++) {
      const by = from.text(ID_BYTES_MAX, 1)
      const how = from.byte()
      if (how > 1) return null
      accusers.push({ id: by, refused: how === 1 })
    }
  }
  const agedMs = isTerminal(liveness) ? from.varint(AGE_MS_MAX) : 0
  if (from.failed) return null
  return { record: { id, generation, incarnation, liveness, phase, address, meta }, accusers, agedMs }
}

/** Nodes of one release say nearly the same of themselves: one object for equal texts. */
const metas = new Map<string, MemberMeta>()
const METAS_MAX = 4096

function metaOf(text: string): MemberMeta | null {
  const known = metas.get(text)
  if (known !== undefined) return known
  const meta = parsedMeta(text)
  if (meta === null) return null
  if (metas.size >= METAS_MAX) metas.clear()
  metas.set(text, meta)
  return meta
}

function parsedMeta(text: string): MemberMeta | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (!isMap(value)) return null
  const { roles, types, version, labels, weight, client, admin } = value
  if (!Array.isArray(roles) || !roles.every((role) => ROLES.includes(role as Role))) return null
  if (!isMap(types) || !Object.values(types).every((code) => Number.isSafeInteger(code) && (code as number) >= 0)) return null
  if (!isMap(labels) || !Object.values(labels).every((label) => typeof label === 'string')) return null
  if (typeof version !== 'string' || !Number.isInteger(weight) || (weight as number) < 1 || (weight as number) > WEIGHT_MAX) return null
  if ((client !== undefined && typeof client !== 'string') || (admin !== undefined && typeof admin !== 'string')) return null
  return {
    roles: roles as Role[],
    types: plain(types as Record<string, number>),
    version,
    labels: plain(labels as Record<string, string>),
    weight: weight as number,
    ...(client === undefined ? {} : { client }),
    ...(admin === undefined ? {} : { admin }),
  }
}

/** A key such as `__proto__` stays a key. */
function plain<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record))
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
