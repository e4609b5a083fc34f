/** drain: a node that is told to go is gone in 30 s, if nothing else happens to the cluster meanwhile. That it loses nothing is 'acked-once'. (C3, E4) */
import type { MakeCheck } from '../check.ts'

const DRAIN_MS = 30_000

export const drain: MakeCheck = (facts, fail) => ({
  name: 'drain',
  drained: (life, tookMs) => {
    const calm = Math.min(...facts.nodes.map(({ name }) => facts.cluster?.calmMs(name) ?? Infinity)) > tookMs
    facts.count(calm ? 'drained in peace' : 'drained in trouble')
    if (calm && tookMs > DRAIN_MS) fail(`${life.id} took ${Math.round(tookMs)} ms to drain`)
  },
})
