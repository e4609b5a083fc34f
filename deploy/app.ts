/** The app that deploy/compose.yaml runs: a counter for each user, and tokens signed with a secret that everybody can read here. Put your own in its place. */
import { actor, app, log, view } from 'troupe'

interface State {
  readonly notes: number
  readonly last: string
}

const user = actor('user', {
  state: (): State => ({ notes: 0, last: '' }),
  events: {
    'note.added': { reduce: (state: State, data: { readonly text: string }) => ({ notes: state.notes + 1, last: data.text }) },
  },
  topics: { summary: view((state: State) => state), feed: log() },
  queries: { count: (state: State) => state.notes },
})

export default app({ actors: { user }, authenticate: { jwt: { secret: 'only-for-trying-it-out-0123456789abcdef' } } })
