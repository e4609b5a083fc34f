/** sequence: what an actor took from a source has contiguous numbers, each once, in order; refusals use theirs up. (D1, D2, D3) */
import type { MakeCheck } from '../check.ts'
import { typeOf } from '../sim-app.ts'

export const sequence: MakeCheck = (_facts, fail) => {
  /** By actor and source. */
  const lasts = new Map<string, Map<string, number>>()
  return {
    name: 'sequence',
    applied: ({ actor, n, body }) => {
      if (body === null || !typeOf(actor).durable) return
      if (body.e === undefined && body.r === undefined) return
      let last = lasts.get(actor)
      if (last === undefined) lasts.set(actor, (last = new Map()))
      const taken = new Map<string, number[]>()
      const take = (source: string | undefined, seq: number | undefined): void => {
        if (source === undefined || seq === undefined || seq === 0) return
        const numbers = taken.get(source)
        if (numbers === undefined) taken.set(source, [seq])
        else numbers.push(seq)
      }
      for (const [, , , , source, seq] of body.e ?? []) {
        if (source !== undefined && (taken.get(source)?.at(-1) ?? 0) > (seq ?? 0) && seq !== 0)
          fail(`place ${n} of ${actor} has ${source}#${seq} after ${taken.get(source)?.at(-1)}`)
        take(source, seq)
      }
      for (const [source, seq] of body.r ?? []) take(source, seq)
      for (const [source, numbers] of taken) {
        let before = last.get(source) ?? 0
        for (const seq of numbers.length === 1 ? numbers : numbers.sort((a, b) => a - b)) {
          if (seq !== before + 1) fail(`place ${n} of ${actor} takes ${source}#${seq} after ${before}`)
          before = seq
        }
        last.set(source, before)
      }
    },
  }
}
