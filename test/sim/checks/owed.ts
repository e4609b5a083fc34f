/** owed: an actor that owes something (a timer, an undelivered effect) has a wake-up hint in the store, at every moment. (D5) */
import type { MakeCheck } from '../check.ts'

export const owed: MakeCheck = (_facts, fail) => {
  const actors = new Map<string, { timers: Map<string, number>; effects: Map<string, Set<number>> }>()
  return {
    name: 'owed',
    applied: ({ actor, body }) => {
      if (body === null || (body.x ?? body.d ?? body.c ?? body.s) === undefined) return
      let owes = actors.get(actor)
      if (owes === undefined) actors.set(actor, (owes = { timers: new Map(), effects: new Map() }))
      for (const [to, seq] of body.x ?? []) {
        const pending = owes.effects.get(to) ?? new Set()
        owes.effects.set(to, pending.add(seq))
      }
      for (const [to, seq] of body.d ?? [])
        for (const pending of owes.effects.get(to) ?? []) if (pending <= seq) owes.effects.get(to)?.delete(pending)
      for (const name of body.c ?? []) owes.timers.delete(name)
      for (const [name, due] of body.s ?? []) owes.timers.set(name, due)
    },
    touched: ({ actor, record }) => {
      const owes = actors.get(actor)
      if (owes === undefined) return
      const effects: string[] = []
      for (const [to, pending] of owes.effects) if (pending.size > 0) effects.push(to)
      let due = Infinity
      for (const timer of owes.timers.values()) due = Math.min(due, timer)
      if (effects.length === 0 && due === Infinity) return
      let first = Infinity
      for (const hint of record.hints.values()) first = Math.min(first, hint.due)
      // Whatever the clocks of who wrote it and of who looks for it.
      if (effects.length > 0 && first > 0) fail(`${actor} owes effects to ${effects.join()} and has no hint that is due at once`)
      else if (first > due) fail(`${actor} owes a timer at ${due} and its first hint is ${first === Infinity ? 'missing' : `at ${first}`}`)
    },
  }
}
