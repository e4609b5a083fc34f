/** Drawn traffic and faults on the application, and on a copy of it with a bug that one node alone would never show. */
import { expect, test } from 'vitest'
import { actor, app, log, signal, view } from '../../../src/index.ts'
import { runScenario, SimulationError } from '../../../src/testing.ts'
import { names } from '../names.ts'
import { stats, tallyEvents } from '../stats.ts'
import { accountEvents } from '../user/account.ts'
import { NOTE_EVENTS, noteEvents } from '../user/notes.ts'
import { summaryOf, userQueries } from '../user/queries.ts'
import { newUser } from '../user/state.ts'
import scenario, { notes, notesScenario } from './scenario.ts'

test.each([1, 2, 3])('seed %i: all holds', async (seed) => {
  const { operations } = await runScenario(scenario, { seed, minutes: 0.5 })
  expect(operations['is brought an item']?.['ok']).toBeGreaterThan(0)
})

test('a provider’s items remembered in the process instead of the state: a crash brings them again', async () => {
  const provided = noteEvents['note.provided']
  const known = new Set<string>()
  const user = actor('user', {
    state: newUser,
    events: {
      ...accountEvents,
      ...noteEvents,
      ...tallyEvents,
      'note.provided': {
        ...provided,
        reduce: (state, item, ctx) => {
          const name = `${ctx.id} ${item.provider} ${item.externalId}`
          if (known.has(name)) return ctx.refuse('exists', 'this id was taken before; nothing was added')
          known.add(name)
          return provided.reduce(state, item, ctx)
        },
      },
    },
    topics: { 'events-changed': signal(), summary: view(summaryOf), feed: log({ types: NOTE_EVENTS }) },
    queries: userQueries,
  })
  const { authorize } = notes
  const bugged = notesScenario(app({ actors: { user, names, stats }, ...(authorize && { authorize }) }))
  const found: unknown = await runScenario(bugged, { seed: 1, minutes: 0.5 }).catch((error: unknown) => error)
  expect(found).toBeInstanceOf(SimulationError)
  expect(found).toMatchObject({ property: 'purity', what: expect.stringContaining("the reducer of 'note.provided'") as string })
})
