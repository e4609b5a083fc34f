import { expect, it } from 'vitest'
import { actor, app } from '../../src/actors/define.ts'
import { during, oneNode } from './one-node.ts'

it('a query knows whom it asks and when: never before the newest entry, though the clock went back', async () => {
  const timed = actor('timed', {
    state: () => ({ at: 0 }),
    events: { mark: { reduce: (_s: { at: number }, _data: unknown, ctx) => ({ at: ctx.now }) } },
    queries: { age: (s, args: { add: number }, ctx) => [ctx.id, ctx.type, ctx.key, ctx.now - s.at + args.add] },
  })
  const node = oneNode(app({ actors: { timed } }))
  const age = () => during(node, node.query('timed/x', 'age', { add: 1 }))
  await during(node, node.send('timed/x', 'mark'))
  await node.clock.run(2500)
  expect(await age()).toMatchObject({ json: '["timed/x","timed","x",2501]' })
  node.clock.jumpWall(-60_000)
  expect(await age()).toMatchObject({ json: '["timed/x","timed","x",1]' })
})
