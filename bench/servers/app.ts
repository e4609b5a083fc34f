/** The app that the benches load: one actor type that counts events of 56 bytes. */
import { actor, app, log, type ActorDefinition, type App } from '../../src/actors/define.ts'
import { BENCH_SECRET } from '../load/dialects.ts'

export interface Progress {
  readonly kind: string
  readonly mark: number
  readonly page: string
}

interface Count {
  readonly events: number
  readonly last: number
}

const user = actor('user', {
  state: (): Count => ({ events: 0, last: 0 }),
  events: {
    ev: { reduce: (state, data: Progress) => ({ events: state.events + 1, last: data.mark }) },
  },
  topics: { feed: log() },
  queries: { count: (state: Count) => state.events },
})

/** As in production: tokens are verified, states are not folded twice. Everyone may follow everyone, for fan-out. */
export const benchApp: App<{ user: ActorDefinition }> = app({
  actors: { user },
  authenticate: { jwt: { secret: BENCH_SECRET } },
  authorize: () => true,
})

/** As `troupe start bench/servers/app.ts` loads it. */
export default benchApp
