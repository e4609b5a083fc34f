/**
 * Runs something at another time and with other luck: what it gives may not depend on either. Synchronous; the globals are as they were afterwards.
 * `performance.now` and what was imported from `node:crypto` cannot be turned, but differ each time by themselves.
 */
import { seeded } from './random.ts'

const DAYS_MS = 3 * 86_400_000 + 3_723_004

export function elsewhere<Result>(run: () => Result): Result {
  const here = { Date: globalThis.Date, now: Date.now, random: Math.random }
  const shifted = (): number => here.now() + DAYS_MS
  globalThis.Date = new Proxy(here.Date, {
    construct: (target, args: unknown[]) => Reflect.construct(target, args.length === 0 ? [shifted()] : args) as Date,
    apply: () => new here.Date(shifted()).toString(),
    get: (target, name) => (name === 'now' ? shifted : (Reflect.get(target, name) as unknown)),
  })
  Math.random = seeded('elsewhere').float
  try {
    return run()
  } finally {
    globalThis.Date = here.Date
    Math.random = here.random
  }
}
