/**
 * followers: who follows a log gets every entry, in order, or is told of a gap that really is one. (Promise 4; D6, D8, J10.)
 * That everybody ends at the newest state is settled in the liveness phase (settling.ts).
 */
import type { Check } from '../check.ts'
import { typeOf } from '../sim-app.ts'
import type { Sim } from '../sim.ts'

export const followers = (sim: Sim, fail: (message: string) => void): Check => ({
  name: 'followers',
  subscribed: ({ actor }, state) => {
    // J10: so many entries are there, whatever was emptied.
    const { keep, journal } = typeOf(actor)
    if (!journal || state.kind !== 'log') return
    const oldest = Math.max(1, state.offset - keep + 1)
    if (state.oldest > oldest) fail(`${actor} at offset ${state.offset} says that ${state.oldest} is its oldest; it must keep ${oldest}`)
  },
  paged: ({ actor, from }, page) => {
    let next = from
    for (const { offset } of page.entries) {
      if (offset < next) fail(`history of ${actor} from ${from} has offset ${offset} where ${next} is due`)
      next = offset + 1
    }
    const { keep, journal } = typeOf(actor)
    const durable = sim.ledger(actor)?.durableOffset ?? 0
    if (journal && page.oldest > Math.max(1, durable - keep + 1))
      fail(`history of ${actor} at ${durable} says that ${page.oldest} is its oldest; it keeps ${keep}`)
  },
  end: () => {
    for (const { name, actor, topic, got, gaps, last } of sim.followers) {
      const ledger = sim.ledger(actor)
      if ((topic !== 'feed' && topic !== 'adds') || ledger === undefined || !typeOf(actor).durable) continue
      let at = 0
      const missing = new Set<number>()
      for (const { offset, type, json } of got) {
        if (offset <= at) fail(`${name} got offset ${offset} of ${actor} after ${at}`)
        for (let between = at + 1; between < offset; between++) missing.add(between)
        at = offset
        if (topic === 'adds' && type !== 'add' && type !== 'send')
          fail(`${name} got ${type} at offset ${offset} of ${actor}, whose topic 'adds' has none of it`)
        if (!typeOf(actor).journal) continue
        const entry = ledger.entries[offset - 1]
        if (entry === undefined || entry.type !== type || JSON.stringify(entry.recorded) !== json)
          fail(`${name} got ${type} ${json} as offset ${offset} of ${actor}; the journal has ${JSON.stringify(entry?.recorded)}`)
      }
      for (let after = at + 1; after <= last; after++) missing.add(after)
      if (!typeOf(actor).journal) continue
      for (const gap of gaps) {
        sim.count('gap')
        if (typeOf(actor).keep === Infinity) fail(`${name} was told of a gap ${gap.from}–${gap.to} in ${actor}, which keeps all`)
        for (let offset = gap.from; offset <= gap.to; offset++) missing.delete(offset)
      }
      for (const offset of missing) {
        const type = ledger.entries[offset - 1]?.type ?? ''
        if (topic === 'feed' || type === 'add' || type === 'send')
          fail(`${name} never got offset ${offset} (${type}) of ${actor} ${topic} and was told of no gap`)
      }
    }
  },
})
