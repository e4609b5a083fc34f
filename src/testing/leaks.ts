/** What a cluster that nobody uses still holds. */
import type { Evidence } from './checks.ts'

/** Timers that are due within this keep actors busy, also others than their own. */
const SOON_MS = 600_000

/** null: nothing. While an actor owes something soon, its own memory and that of others may be in use. */
export async function leftOver({ processes, journals, now }: Evidence): Promise<string | null> {
  const active: string[] = []
  for (const { name, state, member, clients } of processes) {
    if (state !== 'up' || member === null) continue
    const { pendingEvents } = member.engine.stats()
    if (pendingEvents > 0) return `${pendingEvents} events wait on ${name}`
    const routing = member.router.stats()
    for (const what of ['leases', 'subscriptions', 'lanes', 'pendingSends', 'pendingReads', 'inbound'] as const)
      if (routing[what] > 0) return `the router of ${name} has ${routing[what]} of ${what}`
    const gateway = clients?.stats()
    for (const what of ['sockets', 'sessions', 'subscriptions', 'upstreams'] as const)
      if ((gateway?.[what] ?? 0) > 0) return `the gateway of ${name} has ${gateway?.[what]} of ${what}`
    for (const { actor } of member.engine.activations()) active.push(`${actor} is in the memory of ${name}`)
  }
  if (active.length === 0) return null
  for (const actor of await journals.actors()) {
    const journal = await journals.read(actor)
    const folded = journal === null ? null : journals.folded(journal)
    if (folded?.kind !== 'folded') continue
    const { timers, effects } = folded.memory
    if ((effects?.all().length ?? 0) > 0) return null
    for (const { due } of timers?.values() ?? []) if (due < now + SOON_MS) return null
  }
  return active[0] ?? null
}
