/** What must come about once the faults are over: everything answered, delivered, fired, told, written, and nothing left behind. */
import { effects } from './checks/effects.ts'
import { timers } from './checks/timers.ts'
import type { ActorLedger } from './ledger.ts'
import { typeOf } from './sim-app.ts'
import { clusterLeaks, dissent, ownerOf, underWay } from './settling-cluster.ts'
import type { Sim } from './sim.ts'
import { EPOCH_MS, type Life } from './sim-node.ts'

const SIGNALLING: ReadonlySet<string> = new Set(['add', 'send', 'fired'])
const ADDING: ReadonlySet<string> = new Set(['add', 'send'])

export function serving(sim: Sim): Life[] {
  return sim.nodes.flatMap(({ life }) => (life === null || life.draining ? [] : [life]))
}

/** Offset of the newest entry that a follower of the topic must have heard of. */
function newestOf(ledger: ActorLedger, topic: string): number {
  const { entries, durableOffset } = ledger
  if (topic === 'sum' || topic === 'feed') return durableOffset
  // Without a journal nobody can tell which entry it was.
  const types = topic === 'changed' ? SIGNALLING : ADDING
  return entries.findLast(({ type }) => types.has(type))?.offset ?? 0
}

/** Why the cluster has not settled; null: it has. */
export function unsettled(sim: Sim): string | null {
  for (const client of sim.clients)
    if (client.openOps > 0) {
      const open = sim.ops
        .filter(({ answeredUs }) => answeredUs < 0)
        .map(({ id, type, actor, attempts }) => `${id} ${type} to ${actor} after ${attempts} attempts`)
      return `operations without a final answer: ${open.slice(0, 5).join('; ')}`
    }
  // A followed actor stays in memory; a hint that it no longer needs may go with it.
  const followed = new Set(sim.followers.map(({ actor }) => actor))
  const owing = sim.swarm.lasting ? undone(sim) : hintLeft(sim, (actor) => !followed.has(actor))
  if (owing !== null) return owing
  for (const life of serving(sim)) {
    const { pendingEvents } = life.engine.stats()
    if (pendingEvents > 0) return `${life.id} still has ${pendingEvents} pending events`
  }
  if (sim.cluster !== null) {
    const open = dissent(sim) ?? underWay(sim)
    if (open !== null) return open
  }
  for (const follower of sim.followers) {
    const ledger = sim.ledger(follower.actor)
    if (ledger === undefined) continue
    const newest = newestOf(ledger, follower.topic)
    if (!follower.ready) return `${follower.name} is not subscribed to ${follower.actor} ${follower.topic}`
    if (follower.last < newest)
      return `${follower.name} is at offset ${follower.last} of ${follower.actor} ${follower.topic}; the newest is ${newest}`
    if (follower.topic === 'sum') {
      const { n, h } = JSON.parse(follower.value ?? '{}') as { n?: number; h?: number }
      if (n !== newest || h !== ledger.hashAt(newest))
        return `${follower.name} shows ${follower.value} for ${follower.actor}; the newest is offset ${newest}`
    }
  }
  return null
}

/** Compares what the engines hold with the journals; to be called when settled. Returns who still owes something, or null. */
export async function inspectAll(sim: Sim): Promise<string | null> {
  for (const ledger of sim.ledgers()) {
    const { actor, ids } = ledger
    const life = sim.cluster === null ? sim.route(actor, sim.world.random('inspect'), 1, { node: null }).life : ownerOf(sim, actor)
    if (life === null) continue
    const found = await life.engine.inspect(actor)
    if (!found.ok) return `inspect(${actor}) answers ${found.code}: ${found.message}`
    if (found.timers.length > 0 || found.effects.length > 0)
      return `${actor} still owes ${found.effects.length} effects and ${found.timers.length} timers`
    const state = found.state as { readonly ids: readonly string[] }
    const [held, written] = [state.ids.join(), ids.join()]
    // Who stays in memory, is behind and has nothing to do may stay behind: whoever asks finds out (D11).
    if (sim.swarm.lasting && written.startsWith(held)) continue
    if (held !== written && (held.startsWith(written) || written.startsWith(held)))
      return `${actor} has ${state.ids.length} entries in memory and ${ids.length} in its journal`
    if (held !== written) sim.fail('settled', `${actor} holds ${held}; its journal ${written}`, 'safety')
    const refused = refusedBy(sim, actor, ids)
    // A repeat after a crash finds that its number was used up, not why: then the refusal is counted by the target alone.
    if (found.effectsRefused > refused) sim.fail('settled', `${actor} counts ${found.effectsRefused} refused effects; it had ${refused}`)
    sim.world.note('inspected', actor, found.offset, found.epoch)
  }
  return null
}

/** How many effects of these entries went where they are refused (D4). */
function refusedBy(sim: Sim, actor: string, ids: readonly string[]): number {
  let refused = 0
  for (const id of ids) {
    const op = sim.op(id)
    const hop = id.length - id.replaceAll('>', '').length
    const to = op?.data.path?.[hop]
    if (to !== undefined && actor !== 'refuser/r' && to.startsWith('refuser/')) refused++
  }
  return refused
}

/** What the journals owe: a timer that has not fired, an effect that has not arrived (D5). */
function undone(sim: Sim): string | null {
  const found: string[] = []
  const facts = { ops: sim.ops, ledgers: () => sim.ledgers(), count: () => undefined }
  for (const make of [timers, effects]) make(facts, (what) => void found.push(what)).end?.()
  return found[0] ?? null
}

function hintLeft(sim: Sim, counts: (actor: string) => boolean): string | null {
  for (const { actor, hints } of sim.data.actors.values())
    if (counts(actor)) for (const { n, due } of hints.values()) return `a wake-up hint is left for ${actor}: place ${n}, due ${due}`
  return null
}

/** CONTRACT: in health a timer fires at most 1 s late. */
const LATE_MS = 1000

/** Timers that were due after `sinceMs`, when all was well, and came too late. Health has one owner of an actor, and no write-behind. */
export function checkTimeliness(sim: Sim, sinceMs: number): void {
  const [life, another] = serving(sim)
  // A node that lost actors to another holds back for a while, so that the two do not duel.
  if (life === undefined || another !== undefined || (life.engine.stats().counters['fenced'] ?? 0) > 0) return
  for (const ledger of sim.ledgers()) {
    if (!typeOf(ledger.actor).durable) continue
    for (const { type, id, data, batch } of ledger.entries) {
      if (type !== 'fired' || data.due === undefined || data.due - EPOCH_MS < sinceMs) continue
      const lateMs = batch.atUs / 1000 - (data.due - EPOCH_MS)
      sim.count('timely timer')
      if (lateMs > LATE_MS) sim.fail('timeliness', `${id} of ${ledger.actor} fired ${Math.round(lateMs)} ms late`)
    }
  }
}

/** What is left of a cluster that nobody uses. */
export function leaks(sim: Sim): string | null {
  const { lasting } = sim.swarm
  for (const life of serving(sim)) {
    const { activations, pendingEvents } = life.engine.stats()
    if (activations > 0 && !lasting) return `${life.id} still has ${activations} activations`
    if (pendingEvents > 0) return `${life.id} still has ${pendingEvents} pending events`
    if (sim.cluster === null && life.process.timers > 8) return `${life.id} still has ${life.process.timers} timers`
  }
  if (sim.cluster !== null) {
    const left = clusterLeaks(sim)
    if (left !== null) return left
  }
  return lasting ? null : hintLeft(sim, () => true)
}
