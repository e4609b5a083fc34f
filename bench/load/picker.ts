/** Which user the next event is of. */
import { seeded } from '../../src/base/random.ts'

export type Pick = 'uniform' | 'zipf'

/** Zipf's exponent: YCSB's (Cooper et al., SoCC 2010). */
const EXPONENT = 0.99

/** Numbers 0 … users − 1; the same sequence for the same seed. Zipf by Vose's alias method (1991): constant time a number. */
export function picker(pick: Pick, users: number, seed: string): () => number {
  const random = seeded(seed)
  if (pick === 'uniform') return () => Math.floor(random.float() * users)
  const weights = Float64Array.from({ length: users }, (_, rank) => (rank + 1) ** -EXPONENT)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const chance = weights.map((weight) => (weight * users) / total)
  const alias = new Int32Array(users)
  const small: number[] = []
  const large: number[] = []
  for (let i = 0; i < users; i++) ((chance[i] as number) < 1 ? small : large).push(i)
  while (small.length > 0 && large.length > 0) {
    const less = small.pop() as number
    const more = large[large.length - 1] as number
    alias[less] = more
    chance[more] = (chance[more] as number) + (chance[less] as number) - 1
    if ((chance[more] as number) < 1) small.push(large.pop() as number)
  }
  for (const rest of [...small, ...large]) chance[rest] = 1
  return () => {
    const user = Math.floor(random.float() * users)
    return random.float() < (chance[user] as number) ? user : (alias[user] as number)
  }
}
