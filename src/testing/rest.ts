/** Whether a cluster has come to rest: one view that is true, each actor where it places it, and nothing under way. */
import type { NodeProcess } from './process.ts'

/** Why not; null: it has. */
export function unrest(processes: readonly NodeProcess[]): string | null {
  const lives = processes.filter(({ alive }) => alive)
  if (lives.length === 0) return 'no node is up'
  const up = new Set(lives.map(({ name }) => name))
  const first = lives[0]?.member?.view().hash
  for (const { name, member, state } of lives) {
    if (member === null || state !== 'up') return `${name} is ${state}`
    const view = member.view()
    if (view.hash !== first) return `${name} sees other members than ${lives[0]?.name}`
    if (member.placement.hash !== view.hash) return `${name} does not route by its view yet`
    for (const { id, liveness, phase } of view.members) {
      const serves = liveness !== 'dead' && liveness !== 'left'
      if (serves && !up.has(id)) return `${name} takes ${id}, which is gone, for ${liveness}`
      if (serves && (phase !== 'ready' || liveness !== 'alive')) return `${name} takes ${id} for ${phase} and ${liveness}`
    }
    for (const other of up) if (view.members.every(({ id }) => id !== other)) return `${name} does not know ${other}`
  }
  return underWay(lives)
}

function underWay(lives: readonly NodeProcess[]): string | null {
  for (const { name, member } of lives) {
    if (member === null) return `${name} is starting`
    const stats = member.router.stats()
    for (const what of ['lanes', 'pendingSends', 'pendingReads', 'inbound', 'pulling', 'leaving'] as const)
      if (stats[what] > 0) return `the router of ${name} still has ${stats[what]} of ${what}`
    const { pendingEvents } = member.engine.stats()
    if (pendingEvents > 0) return `${pendingEvents} events wait on ${name}`
    for (const { actor } of member.engine.activations()) {
      const owner = member.placement.ownerOf(actor)?.id
      if (owner !== name) return `${actor} is on ${name}; its owner is ${owner ?? 'nobody'}`
    }
  }
  return null
}
