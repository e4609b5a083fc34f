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
      for (const check of sim.checks) check.spoke?.(outcome.ok ? 'a reply' : null, life)
      if (op === undefined) return
      world.note('reply', op.id, life.id, outcome.ok ? outcome.offset : outcome.code, outcome.ok && outcome.durable)
      for (const check of sim.checks) check.replied?.(op, outcome, life)
    },
    answered: (call, beganUs, outcome, life) => {
      world.note('answer', call.actor, life.id, outcome.ok ? outcome.offset : outcome.code)
      for (const check of sim.checks) {
        check.spoke?.(outcome.ok ? 'an answer' : null, life)
        check.answered?.({ actor: call.actor, call, beganUs }, outcome, life)
      }
    },
    subscribed: ({ actor, topic }, state, life) => {
      for (const check of sim.checks) {
        check.spoke?.('a subscription', life)
        check.subscribed?.({ name: life.id, actor, topic }, state, life)
      }
    },
    noted: ({ actor, topic }, note, upstream, life) => {
      for (const check of sim.checks) {
        check.spoke?.('a note', life)
        check.noted?.({ name: life.id, actor, topic }, note, upstream, life)
      }
    },
    paged: (call, page) => {
      for (const check of sim.checks) check.paged?.(call, page)
    },
    released: (actor, bundle, life) => {
      world.note('released', actor, life.id, bundle?.n ?? 'cold')
      for (const check of sim.checks) check.released?.(actor, bundle, life)
    },
    adopted: ({ actor, n }, taken, life) => world.note('adopt', actor, n, life.id, taken),
    disowning: (life) => {
      life.disowned = true
      world.note('disown', life.id)
      sim.count('disowned')
      for (const check of sim.checks) check.disowning?.(life)
    },
    disowned: (life) => {
      const left = life.engine.stats()
      if (left.pendingEvents > 0 || left.activations > 0)
        sim.fail('disown', `${life.id} was disowned with ${left.pendingEvents} events unanswered and ${left.activations} activations`)
    },
    drained: (life, tookMs) => {
      for (const check of sim.checks) check.drained?.(life, tookMs)
    },
  }
}
