/** In a cluster the checks look at each engine, not at what clients get: an answer counts when its owner gives it. */
import type { ClusterEyes } from './sim-cluster.ts'
import type { Sim } from './sim.ts'

export function eyesOf(sim: Sim): ClusterEyes {
  const { world } = sim
  return {
    nowUs: () => world.nowUs,
    count: (what) => sim.count(what),
    sent: ({ data }, outcome, life) => {
      const op = sim.posted.get((data as { readonly id?: string } | null)?.id ?? '')
      for (const spoke of sim.hooks.spoke) spoke(outcome.ok ? 'a reply' : null, life)
      if (op === undefined) return
      world.note('reply', op.id, life.id, outcome.ok ? outcome.offset : outcome.code, outcome.ok && outcome.durable)
      for (const replied of sim.hooks.replied) replied(op, outcome, life)
    },
    answered: (call, beganUs, outcome, life) => {
      world.note('answer', call.actor, life.id, outcome.ok ? outcome.offset : outcome.code)
      for (const answered of sim.hooks.answered) answered({ actor: call.actor, call, beganUs }, outcome, life)
      for (const spoke of sim.hooks.spoke) spoke(outcome.ok ? 'an answer' : null, life)
    },
    subscribed: ({ actor, topic }, state, life) => {
      for (const subscribed of sim.hooks.subscribed) subscribed({ name: life.id, actor, topic }, state, life)
      for (const spoke of sim.hooks.spoke) spoke('a subscription', life)
    },
    noted: ({ actor, topic }, note, upstream, life) => {
      for (const noted of sim.hooks.noted) noted({ name: life.id, actor, topic }, note, upstream, life)
      for (const spoke of sim.hooks.spoke) spoke('a note', life)
    },
    paged: (call, page) => {
      for (const paged of sim.hooks.paged) paged(call, page)
    },
    released: (actor, bundle, life) => {
      world.note('released', actor, life.id, bundle?.n ?? 'cold')
      for (const released of sim.hooks.released) released(actor, bundle, life)
    },
    adopted: ({ actor, n }, taken, life) => world.note('adopt', actor, n, life.id, taken),
    disowning: (life) => {
      life.disowned = true
      world.note('disown', life.id)
      sim.count('disowned')
      for (const disowning of sim.hooks.disowning) disowning(life)
    },
    disowned: (life) => {
      const left = life.engine.stats()
      if (left.pendingEvents > 0 || left.activations > 0)
        sim.fail('disown', `${life.id} was disowned with ${left.pendingEvents} events unanswered and ${left.activations} activations`)
    },
    drained: (life, tookMs) => {
      for (const drained of sim.hooks.drained) drained(life, tookMs)
    },
  }
}
