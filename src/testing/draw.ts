/** What scenarios draw from a seed: a stream of random choices. */
import type { Random } from '../base/random.ts'

export interface Draw {
  /** Uniform in [0, 1). */
  float(): number
  /** A whole number, both ends included. */
  whole(least: number, most: number): number
  /** Whether something of this likelihood happens. */
  chance(share: number): boolean
  /** One of them. */
  of<Item>(items: readonly Item[]): Item
  /** Some of them, each or not, in their order. */
  some<Item>(items: readonly Item[]): Item[]
  /** A text of up to so many characters: mostly letters, now and then what breaks parsers. */
  text(most: number): string
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const ODD = [' ', '"', '\\', '/', '\n', '\0', 'é', '漢', '😀', '<', '%', '__proto__', 'constructor'] as const
const ODD_SHARE = 0.05

export function drawFrom(random: Pick<Random, 'float'>): Draw {
  const draw: Draw = {
    float: () => random.float(),
    whole: (least, most) => least + Math.floor(random.float() * (most - least + 1)),
    chance: (share) => random.float() < share,
    of: (items) => {
      if (items.length === 0) throw new RangeError('draw.of: there is nothing to choose from')
      return items[Math.floor(random.float() * items.length)] as (typeof items)[number]
    },
    some: (items) => items.filter(() => random.float() < 0.5),
    text: (most) => {
      const length = draw.whole(Math.min(1, most), most)
      let text = ''
      while (text.length < length) text += draw.chance(ODD_SHARE) ? draw.of(ODD) : (LETTERS[draw.whole(0, LETTERS.length - 1)] as string)
      // A pair of surrogates is one character: not cut in two.
      return text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '')
    },
  }
  return draw
}
