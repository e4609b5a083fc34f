import type { Random } from './random.ts'

/**
 * Full-jitter exponential back-off (M. Brooker, "Exponential Backoff And Jitter", 2015).
 * Attempt 0 waits at random below `firstMs`; the bound doubles to `maxMs`.
 */
export function backoffMs(attempt: number, firstMs: number, maxMs: number, random: Pick<Random, 'float'>): number {
  return random.float() * Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30))
}
