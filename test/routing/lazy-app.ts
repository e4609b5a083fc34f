/** Types that differ only in when their answers leave, with a timer. */
import { actor, app, type App, type ReduceContext } from '../../src/actors/define.ts'
import type { TestCluster } from './cluster.ts'

interface State {
  readonly got: readonly string[]
}

const parts = {
  state: (): State => ({ got: [] }),
  events: {
    add: { reduce: (s: State, data: { v: string }) => ({ got: [...s.got, data.v] }) },
    later: {
      reduce: (s: State, { inMs }: { inMs: number }, ctx: ReduceContext) => {
        ctx.schedule('ring', { inMs }, 'add', { v: 'rang' })
        return s
      },
    },
  },
  queries: { got: (s: State) => s.got },
}

const hard = actor('hard', parts)
const brisk = actor('brisk', { ...parts, durability: { everyMs: 5000 } })
/** Nothing is written of itself for as long as most tests take. */
const lazy = actor('lazy', { ...parts, durability: { everyMs: 30_000 } })

export const lazyApp: App = app({ actors: { hard, brisk, lazy } })

/** Actors of this type that n1 owns alone, and n2 as soon as both are in service. n1 is told so, n2 is joining. */
export function movingTo2(cluster: TestCluster, type: string, n: number): string[] {
  const two = cluster.placement(cluster.decide(['n1', 'n2']), 'n1')
  const actors = Array.from({ length: 20 * n + 20 }, (_, i) => `${type}/m${i}`).filter((id) => two.ownerOf(id)?.id === 'n2')
  cluster.agree(['n1', 'n2'], { n2: { phase: 'joining' } })
  return actors.slice(0, n)
}
