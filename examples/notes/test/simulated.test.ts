/** The application on a simulated cluster: nodes crash, the store fails, and nobody’s notes are lost, doubled or told wrongly. */
import { describe, expect, test } from 'vitest'
import { simulate, type World } from '../../../src/testing.ts'
import { notesApp } from '../application.ts'

const app = notesApp({ secret: 'a secret of the tests, long enough for all', scryptLn: 4, sessionMs: 3_600_000 })
const provider = { sub: 'provider:mail', claims: { provider: 'mail' } }
const password = `$scrypt$ln=4,r=8,p=1$c2FsdA$${'h'.repeat(43)}`

async function register(world: World<typeof app>, uid: string): Promise<void> {
  await world.send(`user/${uid}`, 'account.registered', { name: uid, email: `${uid}@x.org`, password, attempt: 'a1', at: world.now })
}

describe('a cluster of three nodes', () => {
  test('a crash between two notes takes none away, and who follows gets there', async () => {
    await using world = simulate(app, { seed: 7 })
    await register(world, 'alice')
    const ids: string[] = []
    await world.subscribe('user/alice', 'feed', (note) => ids.push(`${note.type} ${note.offset}`), { as: 'alice' })
    await world.send('user/alice', 'note.added', { title: 'one' }, { as: 'alice' })
    world.store.fail('after')
    await world.send('user/alice', 'note.added', { title: 'two' }, { as: 'alice' })
    world.crash(await world.ownerOf('user/alice'))
    await world.send('user/alice', 'note.added', { title: 'three' }, { as: 'alice' })
    const page = await world.query('user/alice', 'info', { lim: 10 }, { as: 'alice' })
    expect(page?.items.map(({ title }: { title: string }) => title)).toEqual(['three', 'two', 'one'])
    await world.settle()
    expect(ids).toEqual(['note.added 2', 'note.added 3', 'note.added 4'])
  })

  test('a person cannot read another’s notes', async () => {
    await using world = simulate(app, { seed: 7, nodes: 1 })
    await register(world, 'alice')
    await expect(world.query('user/alice', 'info', {}, { as: 'bob' })).rejects.toThrow(expect.objectContaining({ code: 'denied' }))
  })

  test.each([1, 2, 3])(
    'seed %i: providers deliver through crashes, pauses and a store that fails; each item is there once',
    async (seed) => {
      await using world = simulate(app, { seed, faults: { crashes: 6, freezes: 3, cuts: 3, store: 0.02 } })
      await register(world, 'alice')
      await world.subscribe('user/alice', 'summary', () => undefined, { as: 'alice' })
      for (let i = 0; i < 15; i++) {
        const item = { provider: 'mail', externalId: `x${i}`, title: `item ${i}` }
        const sent = await Promise.allSettled([1, 2].map(() => world.send('user/alice', 'note.provided', item, { as: provider })))
        // The provider repeats; the actor takes an item once for ever.
        expect(sent.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
        await world.advance(2000)
      }
      await world.settle()
      const page = await world.query('user/alice', 'info', { lim: 100 })
      expect(page?.total).toBe(15)
    },
  )
})
