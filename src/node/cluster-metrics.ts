/** Membership and routing for `/metrics` (H3). docs/operations.md says what each is good for. */
import type { Figure, Sample } from '../admin/figures.ts'
import { snake } from '../admin/figures.ts'
import type { Gossip } from '../cluster/gossip.ts'
import type { Liveness } from '../cluster/member.ts'
import type { View } from '../cluster/view.ts'
import type { HistogramNumbers } from '../routing/histogram.ts'
import type { RouterStats } from '../routing/router.ts'

/** What the views of a node have shown since its start. A view comes at most once a turn of the event loop: what came and went within one is not seen. */
export class MemberCounts {
  #before: Map<string, { readonly generation: number; readonly liveness: Liveness }>
  view: View
  changes = 0
  suspicions = 0
  refutations = 0
  deaths = 0
  departures = 0

  constructor(view: View) {
    this.view = view
    this.#before = seen(view)
  }

  see(view: View): void {
    this.changes++
    const now = seen(view)
    for (const [id, { generation, liveness }] of now) {
      const before = this.#before.get(id)
      const same = before?.generation === generation
      if (same && before.liveness === liveness) continue
      if (liveness === 'suspect') this.suspicions++
      if (liveness === 'dead') this.deaths++
      if (liveness === 'left') this.departures++
      if (liveness === 'alive' && same) this.refutations++
    }
    this.#before = now
    this.view = view
  }
}

function seen({ members }: View): Map<string, { readonly generation: number; readonly liveness: Liveness }> {
  return new Map(members.map(({ id, generation, liveness }) => [id, { generation, liveness }]))
}

const STATES: readonly Liveness[] = ['alive', 'suspect', 'dead', 'left']

/** Names of the router's counters that say more than their own. */
const ROUTED: Readonly<Record<string, readonly [name: string, help: string]>> = {
  asked: ['forwarded', 'Requests that left this node for the owner of their actor, repeats included.'],
  served: ['forwarded_served', 'Requests of other nodes that were served here.'],
  movedAnswers: ['moved', 'Requests of other nodes answered `moved`.'],
  repeatsMoved: ['repeats_moved', 'Requests asked again because their actor had moved.'],
  repeatsLost: ['repeats_lost', 'Requests asked again because the connection to the owner was lost.'],
  overloaded: ['routing_overloaded', 'Requests refused because a queue between nodes was full.'],
  timeouts: ['routing_timeouts', 'Requests to other nodes that had no answer in time.'],
  linksLost: ['links_lost', 'Connections to other nodes that broke.'],
  pulls: ['pulls', 'Times that an earlier owner was asked for an actor.'],
  pulled: ['pulled', 'Pulls that brought the actor.'],
  pullTimeouts: ['pull_timeouts', 'Pulls that took too long; the actor was read from the store.'],
  handedOver: ['handoffs_warm', 'Actors handed over in memory.'],
  handedLate: ['handoffs_late', 'Actors handed over whose new owner did not say within `handoffAckMs` that its claim is durable.'],
  handedCold: ['handoffs_cold', 'Actors given up that the new owner reads from the store.'],
  adopted: ['handoffs_adopted', 'Actors that other nodes handed to this one.'],
  subscriptionsEnded: ['subscriptions_ended', 'Subscriptions to actors of other nodes that had to be made again.'],
  leasesExpired: ['leases_expired', 'Subscriptions of other nodes that were not renewed in time.'],
  notesConflated: ['notes_conflated', 'Notifications to other nodes that a newer one replaced.'],
}

export function clusterFigures(gossip: Gossip, routing: RouterStats, counts: MemberCounts): Figure[] {
  const { gauges } = gossip
  const { members } = counts.view
  const states: Sample[] = STATES.map((state) => ({
    labels: { state },
    value: members.filter(({ liveness }) => liveness === state).length,
  }))
  const presumed = members.filter(({ id, liveness }) => liveness === 'dead' && gossip.presumed(id)).length
  return [
    { kind: 'gauge', name: 'troupe_members', help: 'Members in the view of this node, by state.', samples: states },
    gauge('troupe_members_presumed_dead', 'Of the dead, those that this node alone thinks dead: it reaches no majority.', presumed),
    gauge(
      'troupe_gossip_health_score',
      'How sick this node thinks itself: 0 well, 8 at worst (late timers, missed probes).',
      gauges.health,
    ),
    gauge('troupe_gossip_records', 'Members known, hearsay and departed ones included.', gauges.records),
    gauge('troupe_gossip_news', 'Pieces of news that are still being told on.', gauges.news),
    gauge('troupe_gossip_wires', 'Connections of the membership protocol.', gauges.wires),
    counter('troupe_view_changes_total', 'Changes of the view of this node.', counts.changes),
    counter('troupe_suspicions_total', 'Members that came under suspicion.', counts.suspicions),
    counter('troupe_refutations_total', 'Members that came back to alive under the same generation.', counts.refutations),
    counter('troupe_deaths_total', 'Members that became dead.', counts.deaths),
    counter('troupe_departures_total', 'Members that left in order.', counts.departures),
    counter('troupe_gossip_frames_in_total', 'Frames of the membership protocol received.', gauges.framesIn),
    counter('troupe_gossip_frames_out_total', 'And sent.', gauges.framesOut),
    counter('troupe_gossip_malformed_total', 'Frames that could not be read.', gauges.malformed),
    counter('troupe_gossip_over_rate_total', 'Frames dropped because one member sent too many.', gauges.overRate),
    counter('troupe_gossip_unsent_total', 'Frames not sent because the connection had no room.', gauges.unsent),
    ...routingFigures(routing),
  ]
}

function routingFigures(routing: RouterStats): Figure[] {
  const { counters, times } = routing
  const counted = Object.entries(counters).map(([own, value]) => {
    const [name, help] = ROUTED[own] ?? [`routing_${snake(own)}`, `Routing: ${own}.`]
    return counter(`troupe_${name}_total`, help, value)
  })
  return [
    gauge('troupe_links', 'Connections for actors’ data to and from other nodes.', routing.links),
    gauge('troupe_routing_pending_sends', 'Events under way to other nodes.', routing.pendingSends),
    gauge('troupe_routing_pending_reads', 'Queries and history reads under way to other nodes.', routing.pendingReads),
    gauge('troupe_routing_inbound', 'Requests of other nodes not answered yet.', routing.inbound),
    gauge('troupe_routing_subscriptions', 'Topics of actors of other nodes that this gateway follows.', routing.subscriptions),
    gauge('troupe_leases', 'Topics of actors here that other nodes follow.', routing.leases),
    gauge('troupe_pulling', 'Actors being pulled from an earlier owner.', routing.pulling),
    gauge('troupe_handoffs_under_way', 'Actors being handed over.', routing.leaving),
    ...counted,
    histogram('troupe_handoff_seconds', 'At the old owner: from the stop of an actor to the word that the new one has it.', times.handoff),
    histogram('troupe_pull_seconds', 'At the new owner: how long requests waited for a pull.', times.pull),
    histogram(
      'troupe_moved_pause_seconds',
      'At the entry: how long the first send of an actor waited because it had moved.',
      times.movedPause,
    ),
    histogram('troupe_failover_seconds', 'The same because its owner was lost: how long a failover takes.', times.failover),
  ]
}

function gauge(name: string, help: string, value: number): Figure {
  return { kind: 'gauge', name, help, samples: [{ value }] }
}

function counter(name: string, help: string, value: number): Figure {
  return { kind: 'counter', name, help, samples: [{ value }] }
}

function histogram(name: string, help: string, { boundsMs, counts, sumMs }: HistogramNumbers): Figure {
  return { kind: 'histogram', name, help, boundsMs, counts, sumMs }
}
