/** SIGTERM and SIGINT: the first drains, the second stops at once (CONTRACT §2). */
export interface SignalPlan {
  drain(signal: NodeJS.Signals): void
  stop(signal: NodeJS.Signals): void
}

/** Returns how to listen no longer. */
export function onSignals(plan: SignalPlan): () => void {
  let seen = 0
  const take = (signal: NodeJS.Signals): void => {
    seen += 1
    if (seen === 1) plan.drain(signal)
    else if (seen === 2) plan.stop(signal)
  }
  process.on('SIGTERM', take)
  process.on('SIGINT', take)
  return () => {
    process.off('SIGTERM', take)
    process.off('SIGINT', take)
  }
}

/**
 * SIGUSR2: a rolling restart. Not SIGHUP: a terminal that closes sends that to all in it, and then the nodes should go.
 * One node by itself takes it too, to say that there is nothing to roll: untaken, it would end the process undrained.
 * Returns how to listen no longer.
 */
export function onRestart(restart: () => void): () => void {
  process.on('SIGUSR2', restart)
  return () => void process.off('SIGUSR2', restart)
}
