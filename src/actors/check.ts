/**
 * What `dev` and `troupe/testing` watch for (J8): reducers that change the state they are given, that do not give the same state again
 * when their events are folded, or whose state is not JSON, so that it is another after the next snapshot.
 */
import type { Loaded } from '../store/store.ts'
import type { ActorDefinition } from './define.ts'
import { fold, foldState, type FoldOutcome, type FoldParts } from './fold.ts'
import type { Host } from './host.ts'

/** Freezes a state and all in it, so that a reducer that changes it throws where it does. Parts shared with an earlier state are frozen already. */
export function deepFreeze(value: unknown): void {
  const waiting = isOpen(value) ? [value] : []
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    Object.freeze(next)
    // By index, here and below: frozen lists are iterated slowly, and every list within a state is.
    const parts = partsOf(next)
    for (let i = 0; i < parts.length; i++) if (isOpen(parts[i])) waiting.push(parts[i] as object)
  }
}

/** The same where no more than `most` parts are new; else freezes nothing (what is frozen is so in all its depth) and says false. */
export function freezeSmall(value: unknown, most: number): boolean {
  const found = isOpen(value) ? [value] : []
  let left = most
  for (const next of found) {
    const parts = partsOf(next)
    left -= 1 + parts.length
    if (left < 0) return false
    for (let i = 0; i < parts.length; i++) if (isOpen(parts[i])) found.push(parts[i] as object)
  }
  for (const part of found) Object.freeze(part)
  return true
}

function partsOf(value: object): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : Object.values(value)
}

function isOpen(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Object.isFrozen(value) && !ArrayBuffer.isView(value)
}

/** Freezes a new state, and says what in it is not JSON, once for each place. Returns whether it can be written at all. */
export function checkState(
  host: Host,
  { id, definition }: { readonly id: string; readonly definition: ActorDefinition },
  state: unknown,
): boolean {
  const wrong = notJson(state)
  if (wrong !== null && host.learnt.first(`${definition.type} ${wrong.path.replaceAll(/\[\d+\]/g, '[]')} ${wrong.what}`)) {
    host.counters.notJson++
    host.log.error(
      { actor: id, path: wrong.path },
      `${wrong.path} ${wrong.what}: state must be JSON, or it is another after the next activation`,
    )
  }
  deepFreeze(state)
  return wrong === null || isWritable(state)
}

function isWritable(state: unknown): boolean {
  try {
    return JSON.stringify(state) !== undefined
  } catch {
    return false
  }
}

/** A part of a state, and how it is reached. */
interface Place {
  readonly value: unknown
  readonly step: string | number
  readonly within: Place | null
}

/** The first place of a state that JSON does not give back as it is, and what is there. Parts that were looked at before are frozen, and skipped. */
function notJson(state: unknown): { readonly path: string; readonly what: string } | null {
  const waiting: Place[] = [{ value: state, step: 'state', within: null }]
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    const { value } = place
    const what = notPlain(value)
    if (what !== null) return { path: pathOf(place), what }
    if (!isOpen(value)) continue
    for (let above = place.within; above !== null; above = above.within)
      if (above.value === value) return { path: pathOf(place), what: `is ${pathOf(above)} again: a cycle` }
    const parts = partsOf(value)
    // Most lists and records hold nothing but plain values.
    if (!parts.includes(undefined) && parts.every((part) => !isOpen(part) && notPlain(part) === null)) continue // `every` passes over holes
    const names = Array.isArray(value) ? null : Object.keys(value)
    for (let i = parts.length - 1; i >= 0; i--) waiting.push({ value: parts[i], step: names?.[i] ?? i, within: place })
  }
  return null
}

function pathOf({ step, within }: Place): string {
  if (within === null) return String(step)
  if (typeof step === 'number') return `${pathOf(within)}[${step}]`
  return pathOf(within) + (/^[\p{L}_$][\p{L}\d_$]*$/u.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`)
}

function notPlain(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return null
    case 'number':
      return Number.isFinite(value) ? null : `is ${value}`
    case 'object': {
      if (value === null || Array.isArray(value)) return null
      const prototype: unknown = Object.getPrototypeOf(value)
      if (prototype === Object.prototype || prototype === null) return null
      const { name } = (value as { constructor?: { name?: string } }).constructor ?? {}
      return name === undefined || name === '' ? 'is an object of a class' : `is a ${name}`
    }
    case 'undefined':
      return 'is undefined'
    default:
      return `is a ${typeof value}`
  }
}

/** Folds twice; states that differ are reported, and the second stands. */
export function foldTwice(loaded: Loaded | null, parts: FoldParts, host: Host): FoldOutcome {
  const first = foldState(loaded, parts)
  const second = fold(loaded, parts)
  if (second.kind === 'folded') {
    const { memory } = second
    const writable = checkState(host, parts, memory.state)
    if (first !== null && writable && isWritable(first.state) && JSON.stringify(first.state) !== JSON.stringify(memory.state)) {
      host.counters.impure++
      host.log.error(
        { actor: parts.id, offset: memory.offset },
        'an impure reducer: folding the same events twice gave two states; reducers may use only state, data and ctx (ctx.now, ctx.random())',
      )
    }
  }
  return second
}
