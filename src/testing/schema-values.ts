/**
 * Random values of a JSON Schema: types, enum and const, anyOf and oneOf, objects, arrays, tuples, bounds, the usual formats, references within. Values may still
 * miss a pattern or a refinement that JSON Schema does not say; whoever draws them asks the schema itself.
 */
import type { Draw } from './draw.ts'

type JsonSchema = Readonly<Record<string, unknown>>

const DEPTH_MAX = 6
const ITEMS_MAX = 4
const TEXT_MAX = 24
const NUMBER_MAX = 1000
const LETTERS = 'abcdefghijklmnopqrstuvwxyz'.split('')
const DIGITS = '0123456789abcdef'.split('')

export function valueOf(schema: unknown, draw: Draw): unknown {
  return value(schema, draw, (typeof schema === 'object' ? schema : {}) as JsonSchema, 0)
}

function value(of: unknown, draw: Draw, root: JsonSchema, depth: number): unknown {
  if (typeof of !== 'object' || of === null) return null
  const schema = of as JsonSchema
  if ('const' in schema) return schema['const']
  const listed = list(schema['enum']) ?? list(schema['examples'])
  if (listed !== null) return draw.of(listed)
  const reference = schema['$ref']
  if (typeof reference === 'string') return depth > DEPTH_MAX ? null : value(resolved(reference, root), draw, root, depth + 1)
  const either = list(schema['anyOf']) ?? list(schema['oneOf'])
  // Deep down the simplest: those with references may go on for ever.
  if (either !== null) return value(depth > DEPTH_MAX ? either.at(-1) : draw.of(either), draw, root, depth + 1)
  const all = list(schema['allOf'])
  if (all !== null) return value(Object.assign({}, ...all, { ...schema, allOf: undefined }), draw, root, depth + 1)
  const type = Array.isArray(schema['type']) ? draw.of(schema['type'] as unknown[]) : schema['type']
  switch (type) {
    case 'string':
      return text(schema, draw)
    case 'integer':
      return Math.round(number(schema, draw, true))
    case 'number':
      return number(schema, draw, false)
    case 'boolean':
      return draw.chance(0.5)
    case 'array':
      return array(schema, draw, root, depth)
    case 'object':
      return object(schema, draw, root, depth)
    default:
      return 'properties' in schema ? object(schema, draw, root, depth) : null
  }
}

function object(schema: JsonSchema, draw: Draw, root: JsonSchema, depth: number): Record<string, unknown> {
  const required = new Set(list(schema['required']) ?? [])
  const made: Record<string, unknown> = {}
  for (const [name, of] of Object.entries((schema['properties'] ?? {}) as JsonSchema))
    if (required.has(name) || (depth <= DEPTH_MAX && draw.chance(0.5))) made[name] = value(of, draw, root, depth + 1)
  return made
}

function array(schema: JsonSchema, draw: Draw, root: JsonSchema, depth: number): unknown[] {
  const fixed = list(schema['prefixItems']) ?? []
  const least = Math.max(bound(schema['minItems'], 0) - fixed.length, 0)
  const most = depth > DEPTH_MAX ? least : Math.max(least, Math.min(bound(schema['maxItems'], ITEMS_MAX), least + ITEMS_MAX))
  const rest = typeof schema['items'] === 'object' ? draw.whole(least, most) : 0
  return [...fixed, ...Array.from({ length: rest }, () => schema['items'])].map((of) => value(of, draw, root, depth + 1))
}

function number(schema: JsonSchema, draw: Draw, whole: boolean): number {
  const step = whole ? 1 : 1e-6
  const least = Math.max(bound(schema['minimum'], -Infinity), bound(schema['exclusiveMinimum'], -Infinity) + step)
  const most = Math.min(bound(schema['maximum'], Infinity), bound(schema['exclusiveMaximum'], Infinity) - step)
  const from = least === -Infinity ? Math.min(0, most - NUMBER_MAX) : least
  const to = Math.min(most, from + NUMBER_MAX)
  // The ends are where the mistakes are.
  if (draw.chance(0.1)) return draw.of([from, to])
  const drawn = whole ? draw.whole(Math.ceil(from), Math.floor(to)) : from + draw.float() * (to - from)
  const multiple = bound(schema['multipleOf'], 0)
  return multiple > 0 ? Math.ceil(from / multiple + draw.whole(0, 100)) * multiple : drawn
}

function text(schema: JsonSchema, draw: Draw): string {
  const drawn = (letters: readonly string[], length: number): string => Array.from({ length }, () => draw.of(letters)).join('')
  const word = (length: number): string => drawn(LETTERS, length)
  const hex = (length: number): string => drawn(DIGITS, length)
  switch (schema['format']) {
    case 'email':
      return `${word(5)}@${word(4)}.org`
    case 'uri':
    case 'url':
      return `https://${word(5)}.org/${word(3)}`
    case 'uuid':
      return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`
    case 'date':
      return `2030-0${draw.whole(1, 9)}-1${draw.whole(0, 9)}`
    case 'date-time':
      return `2030-0${draw.whole(1, 9)}-1${draw.whole(0, 9)}T0${draw.whole(0, 9)}:00:00Z`
  }
  const least = bound(schema['minLength'], 0)
  const most = Math.max(least, Math.min(bound(schema['maxLength'], TEXT_MAX), least + TEXT_MAX))
  // Plain letters fit more patterns than anything else.
  const plain = typeof schema['pattern'] === 'string' || draw.chance(0.5)
  return (plain ? word(draw.whole(least, most)) : draw.text(most)).padEnd(least, 'x')
}

function resolved(reference: string, root: JsonSchema): unknown {
  let at: unknown = root
  for (const part of reference.split('/').slice(1))
    at = typeof at === 'object' && at !== null ? (at as JsonSchema)[part.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined
  return at
}

function list(value: unknown): readonly unknown[] | null {
  return Array.isArray(value) && value.length > 0 ? value : null
}

function bound(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}
