/** What people and providers do with their notes, for `troupe simulate examples/notes/test/scenario.ts` and scenario.test.ts. */
import type { App } from '../../../src/index.ts'
import { defineScenario, type Scenario } from '../../../src/testing.ts'
import { notesApp, type NotesActors } from '../application.ts'

const provider = { sub: 'provider:mail', claims: { provider: 'mail' } }
const password = `$scrypt$ln=4,r=8,p=1$c2FsdA$${'h'.repeat(43)}`
/** Few, so that a provider brings most items more than once. */
const ITEMS = 30

export function notesScenario(app: App<NotesActors>): Scenario {
  return defineScenario(app, {
    users: 3,
    begin: async (world, uid) => {
      await world.send(`user/${uid}`, 'account.registered', { name: uid, email: `${uid}@x.org`, password, attempt: 'a1', at: world.now })
    },
    follow: (uid) => (['events-changed', 'summary', 'feed'] as const).map((topic) => ({ actor: `user/${uid}`, topic, as: uid })),
    operations: {
      'adds a note': ({ user, draw, send }) => send(`user/${user}`, 'note.added', { title: draw.text(30) }, { as: user }),
      'is brought an item': {
        weight: 2,
        run: ({ user, draw, send }) => {
          const externalId = `item-${draw.whole(1, ITEMS)}`
          return send(`user/${user}`, 'note.provided', { provider: 'mail', externalId, title: externalId }, { as: provider })
        },
      },
      'deletes an item': ({ user, draw, send }) =>
        send(`user/${user}`, 'note.deleted', { id: `mail:item-${draw.whole(1, ITEMS)}` }, { as: user }),
      'looks at the newest': ({ user, query }) => query(`user/${user}`, 'info', { lim: 5 }, { as: user }),
    },
    invariants: {
      user: {
        'there are as many notes as were taken and not deleted': ({ notes, counts: { added, provided, deleted } }) =>
          notes.size === added + provided - deleted || `there are ${notes.size}; ${added} + ${provided} were taken, ${deleted} deleted`,
      },
    },
    checks: {
      'a page shows each note once': async (world, users) => {
        for (const uid of users) {
          const page = await world.query(`user/${uid}`, 'info', { lim: 100 }, { as: uid })
          const ids = page?.items.map(({ id }) => id) ?? []
          const twice = ids.find((id, place) => ids.indexOf(id) < place)
          if (twice !== undefined) return `${uid} has ${twice} twice`
        }
        return true
      },
    },
  })
}

export const notes: App<NotesActors> = notesApp({ secret: 'a secret of the tests, long enough for all', scryptLn: 4, sessionMs: 3_600_000 })

export default notesScenario(notes)
