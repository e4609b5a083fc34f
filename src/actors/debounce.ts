/**
 * Debounce of one topic (DESIGN D7), pure: the first change goes out at once, then at most one notification a window, which
 * further changes never extend; the last change always goes out.
 */
export interface Debounce {
  /** Monotonic time of the last notification; -Infinity before the first. */
  sentAt: number
  /** Newest change that has not gone out; 0 for none. */
  waiting: number
}

export function freshDebounce(): Debounce {
  return { sentAt: -Infinity, waiting: 0 }
}

/** A change at `offset`. Returns how long to wait before it may go out: 0 for now, null if a wait is under way already. */
export function changed(debounce: Debounce, offset: number, now: number, windowMs: number): number | null {
  const first = debounce.waiting === 0
  debounce.waiting = Math.max(debounce.waiting, offset)
  if (!first) return null
  return Math.max(0, debounce.sentAt + windowMs - now)
}

/** The waiting change goes out now; returns its offset, 0 if there is none. */
export function sent(debounce: Debounce, now: number): number {
  const offset = debounce.waiting
  debounce.waiting = 0
  debounce.sentAt = now
  return offset
}
