/** What a cluster that nobody uses still holds. */
import type { App } from '../actors/define.ts'
import type { Options } from '../options.ts'
import type { Evidence } from './checks.ts'

/** Timers that are due within this keep actors busy, also others than their own. */
const SOON_MS = 600_000

/** Longer idle times are not waited for: each hour of a cluster that does nothing takes seconds of real time. */
const IDLE_MS_MAX = 3_600_000
/** Where no type's is waited for. */
const NONE_WAITED_MS = 60_000

/** The longest idle time that is waited for, and the types whose actors may stay in memory for longer than that. */
export function idleOf({ app, options }: { readonly app: App; readonly options: Options }): {
  readonly idleMs: number
  readonly lasting: ReadonlySet<string>
} {
  const all = Array.from(app.byType.values(), ({ type, idleMs }) => ({ type, idleMs: idleMs ?? options.idleMs }))
  const waited = all.filter(({ idleMs }) => idleMs <= IDLE_MS_MAX)
  const lasting = new Set(all.filter((each) => !waited.includes(each)).map(({ type }) => type))
  return { idleMs: waited.length === 0 ? NONE_WAITED_MS : Math.max(...waited.map(({ idleMs }) => idleMs)), lasting }
}

/** null: nothing, but actors of `lasting` types. While an actor owes something soon, its own memory and that of others may be in use. */
export async function leftOver({ processes, journals, now }: Evidence, lasting: ReadonlySet<string> = new Set()): Promise<string | null> {
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
    for (const { actor } of member.engine.activations())
      if (!lasting.has(actor.slice(0, actor.indexOf('/')))) active.push(`${actor} is in the memory of ${name}`)
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
