/** What must come about in a cluster once the faults are over: one view, each actor where that places it, and nothing under way. */
import type { Life } from './sim-node.ts'
import type { Sim } from './sim.ts'

/** Timers of a process that nobody asks anything: gossip, the scan for hints, lists of deadlines, placements. */
const IDLE_TIMERS = 24

function members(sim: Sim): Life[] {
  return sim.nodes.flatMap(({ life }) => (life === null || life.draining ? [] : [life]))
}

/** Who should have the actor, as the one view has it. */
export function ownerOf(sim: Sim, actor: string): Life | null {
  const [any] = members(sim)
  const owner = any?.member?.placement.ownerOf(actor)
  return members(sim).find(({ node }) => node.name === owner?.id) ?? null
}

/** M8, O10. Why the cluster has not settled; null: it has. */
export function dissent(sim: Sim): string | null {
  const lives = members(sim)
  const up = new Set(lives.map(({ node }) => node.name))
  const first = lives[0]?.member?.view().hash
  for (const { id, member } of lives) {
    if (member === null) continue
    const view = member.view()
    if (view.hash !== first) return `${id} has view ${view.hash}, ${lives[0]?.id} has ${first}`
    if (member.placement.hash !== view.hash) return `${id} routes by placement ${member.placement.hash}; its view is ${view.hash}`
    for (const { id: other, liveness, phase } of view.members) {
      const serves = liveness !== 'dead' && liveness !== 'left'
      if (serves && !up.has(other)) return `${id} takes ${other} for ${liveness}, which is gone`
      if (serves && phase !== 'ready') return `${id} takes ${other} for ${phase}`
    }
    for (const other of up) if (view.members.every((seen) => seen.id !== other)) return `${id} does not know ${other}`
  }
  for (const actor of new Set(lives.flatMap(({ engine }) => Array.from(engine.activations(), (activation) => activation.actor)))) {
    const holders = lives.filter(({ engine }) => engine.has(actor))
    const owner = ownerOf(sim, actor)
    if (holders.length > 1) return `${actor} is active at ${holders.map(({ id }) => id).join(' and ')}`
    if (holders[0] !== undefined && holders[0] !== owner)
      return `${actor} is active at ${holders[0].id}; its owner is ${owner?.id ?? 'nobody'}`
  }
  return null
}

/** Requests that the routers still hold. */
export function underWay(sim: Sim): string | null {
  let [subscriptions, leases] = [0, 0]
  for (const { id, member } of members(sim)) {
    if (member === null) continue
    const stats = member.router.stats()
    for (const name of ['lanes', 'pendingSends', 'pendingReads', 'inbound', 'pulling', 'leaving'] as const)
      if (stats[name] > 0) return `${id} still has ${stats[name]} of ${name}`
    subscriptions += stats.subscriptions
    leases += stats.leases
  }
  const followed = sim.followers.filter(({ open }) => open).length
  if (subscriptions !== followed) return `${followed} followers have ${subscriptions} subscriptions`
  return leases > subscriptions ? `${subscriptions} subscriptions have ${leases} leases` : null
}

/** E7. What is left in a cluster that nobody uses. */
export function clusterLeaks(sim: Sim): string | null {
  const left = underWay(sim)
  if (left !== null) return left
  for (const { id, process, member } of members(sim)) {
    if (process.timers > IDLE_TIMERS) return `${id} still has ${process.timers} timers`
    const stats = member?.router.stats()
    const most = 2 * (sim.nodes.length - 1)
    if ((stats?.links ?? 0) > most) return `${id} has ${stats?.links} links; ${most} would do`
  }
  return null
}

/** Requests of those who are up that had to be asked again, or were answered `moved`. */
export function repeats(sim: Sim): number {
  let count = 0
  for (const { member } of members(sim)) {
    const counters = member?.router.stats().counters ?? {}
    for (const name of ['repeatsMoved', 'repeatsLost', 'movedAnswers']) count += counters[name] ?? 0
  }
  return count
}
