/** Values as MongoDB orders them, filters as it matches them, updates as it applies them: those that the store uses, and an error for any other. */
import { MaxKey, MinKey, ObjectId, type Document } from 'mongodb'

/** Order of the types; of equal types the values. */
export function compare(a: unknown, b: unknown): number {
  const [x, y] = [rank(a), rank(b)]
  if (x !== y) return x - y
  switch (x) {
    case NUMBER:
      return (a as number) - (b as number)
    case STRING:
      return Buffer.compare(Buffer.from(a as string), Buffer.from(b as string))
    case OBJECT:
      return compareObjects(a as Document, b as Document)
    case BYTES: {
      const [left, right] = [a as Buffer, b as Buffer]
      return left.length - right.length || Buffer.compare(left, right)
    }
    case BOOLEAN:
      return Number(a) - Number(b)
    default:
      return 0
  }
}

const [LEAST, NULL, NUMBER, STRING, OBJECT, BYTES, ID, BOOLEAN, DATE, MOST] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

function rank(value: unknown): number {
  if (value instanceof MinKey) return LEAST as number
  if (value instanceof MaxKey) return MOST as number
  if (value === null || value === undefined) return NULL as number
  if (typeof value === 'number') return NUMBER as number
  if (typeof value === 'string') return STRING as number
  if (typeof value === 'boolean') return BOOLEAN as number
  if (value instanceof Uint8Array) return BYTES as number
  if (value instanceof ObjectId) return ID as number
  if (value instanceof Date) return DATE as number
  return OBJECT as number
}

/** Field by field: type, then name, then value; who has fewer comes first. */
function compareObjects(a: Document, b: Document): number {
  const [left, right] = [Object.entries(a), Object.entries(b)]
  for (let i = 0; i < left.length && i < right.length; i++) {
    const [[name, value], [otherName, other]] = [left[i] as [string, unknown], right[i] as [string, unknown]]
    const order = rank(value) - rank(other) || (name < otherName ? -1 : name > otherName ? 1 : 0) || compare(value, other)
    if (order !== 0) return order
  }
  return left.length - right.length
}

/** A value as a key of a Map: equal values have equal keys. */
export function keyOf(value: unknown): string {
  if (typeof value === 'string') return `s${value}`
  if (typeof value === 'number') return `n${value}`
  if (value instanceof Uint8Array) return `b${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')}`
  if (typeof value !== 'object' || value === null) return `o${String(value)}`
  if (value instanceof ObjectId) return `i${value.toHexString()}`
  return Object.entries(value)
    .map(([name, field]) => {
      const key = keyOf(field)
      return `${name}:${key.length}:${key}`
    })
    .join()
}

export function isOperators(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && Object.keys(value)[0]?.startsWith('$') === true
}

export function matches(document: Document, filter: Document): boolean {
  return Object.entries(filter).every(([field, wanted]) => {
    const value = valueAt(document, field)
    return isOperators(wanted)
      ? Object.entries(wanted).every(([operator, operand]) => holds(value, operator, operand))
      : equal(value, wanted)
  })
}

function equal(a: unknown, b: unknown): boolean {
  return rank(a) === rank(b) && compare(a, b) === 0
}

function holds(value: unknown, operator: string, operand: unknown): boolean {
  switch (operator) {
    case '$exists':
      return (value !== undefined) === Boolean(operand)
    case '$in':
      return value !== undefined && keysOf(operand as unknown[]).has(keyOf(value))
    case '$gt':
      return ordered(value, operand) && compare(value, operand) > 0
    case '$gte':
      return ordered(value, operand) && compare(value, operand) >= 0
    case '$lt':
      return ordered(value, operand) && compare(value, operand) < 0
    case '$lte':
      return ordered(value, operand) && compare(value, operand) <= 0
    default:
      throw new Error(`the operator ${operator} is not known here`)
  }
}

const sets = new WeakMap<unknown[], Set<string>>()

function keysOf(values: unknown[]): Set<string> {
  let keys = sets.get(values)
  if (keys === undefined) sets.set(values, (keys = new Set(values.map(keyOf))))
  return keys
}

/** Only values of one type are in a range. */
function ordered(value: unknown, operand: unknown): boolean {
  return value !== undefined && rank(value) === rank(operand)
}

function valueAt(document: Document, path: string): unknown {
  let value: unknown = document
  for (const name of path.split('.')) value = typeof value === 'object' && value !== null ? (value as Document)[name] : undefined
  return value
}

/** A new document. */
export function updated(document: Document, update: Document): Document {
  const next = structuredCloneOf(document)
  for (const [operator, fields] of Object.entries(update))
    for (const [path, operand] of Object.entries(fields as Document)) apply(next, operator, path, operand)
  return next
}

function apply(document: Document, operator: string, path: string, operand: unknown): void {
  const names = path.split('.')
  const last = names.pop() as string
  let holder = document
  for (const name of names) holder = (holder[name] ??= {}) as Document
  const before: unknown = holder[last]
  switch (operator) {
    case '$set':
      holder[last] = operand
      return
    case '$unset':
      delete holder[last]
      return
    case '$inc':
      holder[last] = Number(before ?? 0) + Number(operand)
      return
    case '$max':
      if (before === undefined || compare(operand, before) > 0) holder[last] = operand
      return
    default:
      throw new Error(`the operator ${operator} is not known here`)
  }
}

/** What an upsert inserts: the equalities of its filter, then the update. */
export function upserted(filter: Document, update: Document): Document {
  const base: Document = {}
  for (const [field, wanted] of Object.entries(filter)) if (!isOperators(wanted)) base[field] = wanted
  return updated(base, update)
}

/** Plain objects are copied, values are shared: they are never changed in place. */
function structuredCloneOf(value: Document): Document {
  const copy: Document = {}
  for (const [name, field] of Object.entries(value))
    copy[name] = rank(field) === OBJECT && !Array.isArray(field) ? structuredCloneOf(field as Document) : field
  return copy
}
