/**
 * The smallest part of a run that still fails: items are left out, first half of them at once, then a quarter … then one by one, as long as what is
 * left still fails (delta debugging: A. Zeller, R. Hildebrandt, 2002). Bounded by a number of tries.
 */
export interface Shrunk {
  readonly kept: readonly number[]
  readonly tries: number
}

export async function shrink(
  items: readonly number[],
  fails: (kept: readonly number[]) => Promise<boolean>,
  triesMax: number,
): Promise<Shrunk> {
  let kept = [...items]
  let tries = 0
  for (let size = Math.ceil(kept.length / 2); size >= 1 && tries < triesMax;) {
    let smaller = false
    // From the end: what came last matters least to what came before it.
    for (let from = kept.length - size; from > -size && tries < triesMax; from -= size) {
      const without = kept.filter((_, place) => place < from || place >= from + size)
      if (without.length === kept.length) continue
      tries++
      if (!(await fails(without))) continue
      kept = without
      smaller = true
    }
    if (size === 1 && !smaller) break
    size = size === 1 ? 1 : Math.ceil(Math.min(size, kept.length) / 2)
  }
  return { kept, tries }
}
