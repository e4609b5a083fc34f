import { Histogram } from './histogram.ts'

/** What the router counts, by name (H3). Plain numbers that only grow. */
export class RoutingCounters {
  /** Requests that left this node, repeats included. */
  asked = 0
  /** Requests of other nodes that were served here. */
  served = 0
  /** Requests of other nodes answered `moved`. */
  movedAnswers = 0
  /** Asked again after `moved`, and after a link was lost. */
  repeatsMoved = 0
  repeatsLost = 0
  overloaded = 0
  timeouts = 0
  linksLost = 0
  pulls = 0
  /** Pulls that brought an actor. */
  pulled = 0
  pullTimeouts = 0
  handedOver = 0
  /** Released, but not taken: the new owner reads them from the store. */
  handedCold = 0
  /** Handed over, and the new owner did not say in time that its claim is durable. */
  handedLate = 0
  adopted = 0
  subscriptionsEnded = 0
  leasesExpired = 0
  notesConflated = 0
}

export class RoutingTimes {
  /** At the old owner: from the stop of an activation to the new owner's word that it has it. */
  readonly handoff: Histogram = new Histogram()
  /** At the new owner: how long requests waited for a pull. */
  readonly pull: Histogram = new Histogram()
  /** At the entry: how long the first send of an actor waited because its owner had changed. */
  readonly movedPause: Histogram = new Histogram()
  /** The same because the link to its owner was lost: a failover. */
  readonly failover: Histogram = new Histogram()
}
