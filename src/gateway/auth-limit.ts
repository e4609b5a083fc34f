/** The app's check of a token has `authTimeoutMs`: who waits gets an answer by then, whatever the app does. */
import { fail, type Failure } from '../errors.ts'
import type { Site } from './site.ts'

/** Tells the outcome exactly once, at once if it is there. One that comes too late is told to nobody. */
export function inTime<Known extends { readonly ok: true }>(
  { clock, options }: Pick<Site, 'clock' | 'options'>,
  outcome: Known | Failure | Promise<Known | Failure>,
  done: (outcome: Known | Failure) => void,
): void {
  if (!(outcome instanceof Promise)) return done(outcome)
  let over = false
  const once = (told: Known | Failure): void => {
    if (over) return
    over = true
    timer.cancel()
    done(told)
  }
  const timer = clock.after(options.authTimeoutMs, () =>
    once(fail('unavailable', 'the token could not be checked in time: repeat', { retryAfterMs: 1000 })),
  )
  outcome.then(once, () => once(fail('internal', 'the app failed to check the token')))
}
