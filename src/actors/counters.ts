/** What the engine counts, by name. Plain numbers: read by metrics, tests and the simulator's "it really happened" checks. */
export class Counters {
  activated = 0
  passivated = 0
  events = 0
  duplicates = 0
  refused = 0
  threw = 0
  slowTurns = 0
  overloaded = 0
  timeouts = 0
  queries = 0
  proofs = 0
  commits = 0
  batches = 0
  snapshots = 0
  /** Claims that became durable, and each by its cause: the actor's first; */
  claims = 0
  claimsFirst = 0
  /** after this node lost the actor; */
  claimsFenced = 0
  /** after another owner handed it over (H1); */
  claimsHandoff = 0
  /** after an owner that did not leave in order: it crashed, or still runs; */
  claimsTakenOver = 0
  /** after the last owner, perhaps this node, had left in order. */
  claimsReturned = 0
  /** Activations that were asked to leave, and those of them that gave a bundle (H1). */
  released = 0
  handedOver = 0
  /** Bundles taken up. */
  adopted = 0
  fenced = 0
  inDoubt = 0
  settled = 0
  storeFailures = 0
  notes = 0
  timersFired = 0
  effectsDelivered = 0
  effectsRefused = 0
  woken = 0
  foldFailures = 0
  impure = 0
  notJson = 0
  viewFailures = 0
}
