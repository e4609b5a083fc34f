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
  claims = 0
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
}
