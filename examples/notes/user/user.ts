/** The actor `user/<uid>`: one person's account and notes, with what can be sent, followed and asked. */
import { actor, log, signal, view } from '../../../src/index.ts'
import { tallyEvents } from '../stats.ts'
import { accountEvents } from './account.ts'
import { NOTE_EVENTS, noteEvents } from './notes.ts'
import { summaryOf, userQueries } from './queries.ts'
import { newUser } from './state.ts'

export const user = actor('user', {
  state: newUser,
  events: { ...accountEvents, ...noteEvents, ...tallyEvents },
  topics: {
    'events-changed': signal({ everyMs: 200 }),
    summary: view(summaryOf, { everyMs: 200 }),
    feed: log({ types: NOTE_EVENTS }),
  },
  queries: userQueries,
})
