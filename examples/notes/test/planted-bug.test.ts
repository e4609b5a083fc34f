/** Copies of the application's actor with a bug each, as they happen: the simulated cluster finds them, and says which reducer it is. */
import { expect, test } from 'vitest'
import { actor, app, signal } from '../../../src/index.ts'
import { simulate, SimulationError } from '../../../src/testing.ts'
import { names } from '../names.ts'
import { noteEvents } from '../user/notes.ts'
import { accountEvents } from '../user/account.ts'
import { newUser } from '../user/state.ts'
import { stats, tallyEvents } from '../stats.ts'

const password = `$scrypt$ln=4,r=8,p=1$c2FsdA$${'h'.repeat(43)}`
const added = noteEvents['note.added']
const events = { ...accountEvents, ...noteEvents, ...tallyEvents }

type Reduce = (typeof added)['reduce']

/** How many notes this process has added: not part of anybody's state. */
let addedHere = 0

const bugs: Readonly<Record<string, Reduce>> = {
  // An id made by luck: on every node, and after every crash, another one.
  'ids from Math.random': (state, note, ctx) => added.reduce(state, { ...note, id: `note-${Math.random().toString(36).slice(2)}` }, ctx),
  'dates from the machine’s clock': (state, note, ctx) => added.reduce(state, { ...note, ts: Date.now() }, ctx),
  'ids counted in the process': (state, note, ctx) => added.reduce(state, { ...note, id: `note-here-${++addedHere}` }, ctx),
  // The old state is what other code still looks at, and what a refusal must leave as it was.
  'a state that is changed in place': (state, note, ctx) => {
    Object.assign(state.counts, { added: state.counts.added + 1 })
    return added.reduce(state, note, ctx)
  },
}

test.each(Object.entries(bugs))('%s', async (_, reduce) => {
  const user = actor('user', {
    state: newUser,
    events: { ...events, 'note.added': { ...added, reduce } },
    topics: { 'events-changed': signal() },
  })
  const world = simulate(app({ actors: { user, names, stats } }), { seed: 7, nodes: 2 })
  const found: unknown = await (async () => {
    await world.send('user/alice', 'account.registered', { name: 'alice', email: 'a@x.org', password, attempt: 'a1', at: 5 })
    await world.send('user/alice', 'note.added', { title: 'one' })
    world.crash(await world.ownerOf('user/alice'))
    await world.send('user/alice', 'note.added', { title: 'two' })
    await world.close()
  })().catch((error: unknown) => error)
  expect(found).toBeInstanceOf(SimulationError)
  expect(found).toMatchObject({ property: 'purity', seed: 7, message: expect.stringContaining("'note.added'") as string })
  await world.close({ check: false })
})
