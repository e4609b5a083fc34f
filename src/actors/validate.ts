/** An event's data before its schema: what passes is recorded as the schema made it; what does not is finally refused (D2). */
import { waitsFor } from './async-schema.ts'
import type { FinalRefusal } from './dedupe.ts'
import type { EventDefinition } from './define.ts'
import type { Learnt } from './learnt.ts'
import { asRecorded, jsonOf } from './recorded.ts'

/** The data as the schema made it, and its JSON, which is recorded; or why the event is refused. */
export function validate(
  learnt: Learnt,
  event: EventDefinition<unknown, unknown, string>,
  type: string,
  data: unknown,
): { readonly data: unknown; readonly json: string } | FinalRefusal | null {
  if (event.schema === undefined) return null
  if (learnt.isAsynchronous(event)) return asynchronous(type)
  try {
    if (!learnt.isSynchronous(event) && waitsFor(event.schema, data)) {
      learnt.wasAsynchronous(event)
      return asynchronous(type)
    }
    const result = event.schema['~standard'].validate(data)
    if (isThenable(result)) {
      learnt.wasAsynchronous(event)
      return asynchronous(type)
    }
    if (result.issues !== undefined) {
      const said = result.issues.slice(0, 5).map(({ path, message }) => {
        const at = path?.map((part) => (typeof part === 'object' ? String(part.key) : String(part))).join('.')
        return at === undefined || at === '' ? message : `${at}: ${message}`
      })
      return { code: 'invalid', message: said.join('; ').slice(0, 512), reason: '' }
    }
    learnt.wasSynchronous(event)
    // What the schema made is recorded, also where it changed the data in place; the reducer gets what will be folded, not a Date or a Map.
    const json = jsonOf(result.value, type)
    return { data: asRecorded(result.value, json), json }
  } catch (error) {
    return { code: 'internal', message: `the schema of '${type}' threw: ${String(error).slice(0, 256)}`, reason: '' }
  }
}

function asynchronous(type: string): FinalRefusal {
  return {
    code: 'internal',
    message: `the schema of '${type}' is asynchronous; nothing was recorded: use a synchronous one, and check what must wait before the event is sent`,
    reason: '',
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  const thenable = typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  if (thenable) (value as PromiseLike<unknown>).then(undefined, () => undefined) // its rejection is nobody's
  return thenable
}
