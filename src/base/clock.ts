/**
 * Time as a port. Everything that waits or dates asks a Clock, so that the simulator can run it on virtual time.
 * Only `base/system.ts` implements it with the machine's own.
 */
export interface Clock {
  /** Wall time, milliseconds since 1970. May jump, both ways. */
  now(): number
  /** Monotonic milliseconds from an arbitrary start. Never goes back. For deadlines and windows. */
  mono(): number
  /** Calls `run` once, not before `ms` have passed. Never throws; a late call is possible. */
  after(ms: number, run: () => void): Timer
  /** Calls `run` once, after the input that is already waiting has been read (the end of this turn of the event loop). */
  soon(run: () => void): void
}

export interface Timer {
  /** Idempotent. After it returns the timer will not fire. */
  cancel(): void
}
