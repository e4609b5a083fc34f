/**
 * Finds schemas that need to wait, when an actor type is defined: a reducer's road is synchronous, and libraries that are asked synchronously
 * drop the promise that such a check began, so that its rejection would end the process. What this does not see (a plain function that
 * returns a promise) is found at the first event that reaches it.
 */

/** Parts of a schema looked at, at most. */
const PARTS_MAX = 10_000

/** Whether a schema of zod (4) or valibot says that it is asynchronous. */
export function isAsynchronous(schema: unknown): boolean {
  if (isObject(schema) && schema['async'] === true) return true // valibot
  const waiting: unknown[] = [schema]
  const seen = new Set<unknown>()
  while (waiting.length > 0 && seen.size < PARTS_MAX) {
    const part = waiting.pop()
    if (typeof part === 'function' && part.constructor.name === 'AsyncFunction') return true
    if (!isObject(part) || seen.has(part)) continue
    seen.add(part)
    const internals = internalsOf(part)
    if (internals !== undefined) waiting.push(internals.def, internals.check)
    else if (Array.isArray(part) || Object.getPrototypeOf(part) === Object.prototype) waiting.push(...partsOf(part))
  }
  return false
}

/**
 * Whether this value makes a schema of zod wait. Asked so that it expects to, zod keeps hold of its promises, and their rejections can be
 * ignored here; asked synchronously it drops them.
 */
export function waitsFor(schema: unknown, value: unknown): boolean {
  const run = isObject(schema) ? internalsOf(schema)?.run : undefined
  if (run === undefined) return false
  try {
    const result = run({ value, issues: [] }, { async: true })
    if (!(result instanceof Promise)) return false
    result.catch(() => undefined)
    return true
  } catch {
    return false // it will throw again where that is answered
  }
}

interface ZodInternals {
  readonly def?: unknown
  readonly check?: unknown
  readonly run?: (payload: { value: unknown; issues: unknown[] }, context: { async: boolean }) => unknown
}

/** zod: what a schema or a check was made from, and what runs it. */
function internalsOf(part: object): ZodInternals | undefined {
  return (part as { readonly _zod?: ZodInternals })._zod
}

/** A getter that throws refers to what is not there yet. */
function partsOf(value: object): unknown[] {
  return Object.keys(value).flatMap((name) => {
    try {
      return [(value as Record<string, unknown>)[name]]
    } catch {
      return []
    }
  })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
