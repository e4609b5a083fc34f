/** Seeded choices: each part of a run has a stream of its own, so that one more draw here changes nothing there. */
export interface Dice {
  /** Uniform in [0, 1). */
  next(): number
  below(count: number): number
  chance(p: number): boolean
  between(low: number, high: number): number
  pick<T>(from: readonly T[]): T
}

/** mulberry32 over a hash of seed and name. */
export function randomFrom(seed: number, name: string): Dice {
  let state = seed >>> 0
  for (let i = 0; i < name.length; i++) state = Math.imul(state ^ name.charCodeAt(i), 0x01000193) >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (count: number): number => Math.floor(next() * count)
  return {
    next,
    below,
    chance: (p) => next() < p,
    between: (low, high) => low + next() * (high - low),
    pick: <T>(from: readonly T[]) => from[below(from.length)] as T,
  }
}
