/** Three node processes on one store: one cluster, as its users and operators meet it. One story in order, for starting processes is what takes time. */
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, type Client } from '../../src/client/index.ts'
import { cleanUp, troupe } from '../cli/troupe.ts'
import { actorOf, LIMIT_MS, NodeProcess, place, together, until } from './nodes.ts'
import { Load } from './load.ts'

const clients: Client[] = []
afterAll(() => {
  for (const client of clients) client.close()
  cleanUp()
})

const dir = place()
let [a, b, c] = [] as unknown as [NodeProcess, NodeProcess, NodeProcess]

function client(...nodes: readonly NodeProcess[]): Client {
  const made = connect(
    nodes.map(({ socket }) => socket),
    { token: `dev:client${clients.length}` },
  )
  clients.push(made)
  return made
}

beforeAll(async () => {
  a = await new NodeProcess('node-a', dir).ready()
  ;[b, c] = (await Promise.all(['node-b', 'node-c'].map((name) => new NodeProcess(name, dir, ['--join', a.rpc]).ready()))) as [
    NodeProcess,
    NodeProcess,
  ]
  await together([a, b, c])
}, 4 * LIMIT_MS)

/** All that was acknowledged is there once, in the order sent; nothing that failed for certain is. */
async function keptBy(node: NodeProcess, load: Load): Promise<void> {
  const got = await until(
    'the journal',
    () => node.got(load.actor),
    (answer) => answer.length >= load.acked.length,
  )
  expect(got).toEqual(load.acked)
}

describe('a cluster of three', { timeout: 4 * LIMIT_MS }, () => {
  test('every node sees the same members, owners and figures', async () => {
    const views = await Promise.all(
      [a, b, c].map(async (node) => ({
        members: (await node.nodes()).map(({ id, generation, state, address, roles, weight }) => ({
          id,
          generation,
          state,
          address,
          roles,
          weight,
        })),
        owners: await Promise.all(['x', 'y', 'z'].map(async (key) => (await node.ask(`/v1/locate?actor=list/${key}`)).body)),
      })),
    )
    expect(views[1]).toEqual(views[0])
    expect(views[2]).toEqual(views[0])
    expect(views[0]?.members.map(({ id }) => id)).toEqual(['node-a', 'node-b', 'node-c'])
  })

  test('an event sent to any node, over HTTP or a socket, is applied once and read at every other', async () => {
    const actor = await actorOf('node-b', a, 'any')
    for (const [i, node] of [a, b, c].entries()) {
      expect(await node.post(actor, `h${i}`, `key${i}`)).toMatchObject({ status: 200, body: { offset: 2 * i + 1 } })
      const again = await ([b, c, a][i] as NodeProcess).post(actor, `h${i}`, `key${i}`)
      expect(again.body).toMatchObject({ offset: 2 * i + 1, duplicate: true })
      await client(node)
        .actor(actor)
        .send('add', { id: `s${i}` })
    }
    for (const node of [a, b, c]) expect(await node.got(actor)).toEqual(['h0', 's0', 'h1', 's1', 'h2', 's2'])
  })

  test('an actor is inspected at its owner, whichever node is asked', async () => {
    const actor = await actorOf('node-c', a, 'seen')
    await a.post(actor, '1', 'k')
    for (const node of [a, b, c]) {
      const { body } = await node.ask(`/v1/actors/${actor}`)
      expect(body).toMatchObject({ node: 'node-c', actor, offset: 1, active: true, state: { got: ['1'] } })
    }
    expect((await b.ask('/v1/actors/list/nobody')).body).toMatchObject({ error: { code: 'not_found' } })
    expect((await b.ask('/v1/actors/robot/1')).body).toMatchObject({
      error: { code: 'not_found', message: expect.stringContaining('list') },
    })
  })

  test('an app that ends somebody’s sockets ends them at whichever node they are', async () => {
    const own = `client${clients.length}`
    const [here, there] = [client(b), connect(c.socket, { token: `dev:${own}` })]
    clients.push(there)
    await Promise.all([here, there].map((from) => from.actor('list/kicked').send('add', { id: '1' })))
    const kick = async (): Promise<unknown> => (await fetch(`${a.client}/kick/${own}`, { method: 'POST' })).json()
    expect(await kick()).toEqual({ kicked: 2 })
    for (const from of [here, there])
      await until(
        'closed for good',
        () => Promise.resolve(from.state),
        (state) => state === 'closed',
      )
    expect(await kick()).toEqual({ kicked: 0 })
  })

  test('a plan says what a drain would move, and moves nothing; who is alive is not removed', async () => {
    const actor = await actorOf('node-b', a, 'planned')
    await a.post(actor, '1', 'k')
    const planned = await troupe(['drain', 'node-b', '--plan', '--json', '--url', a.admin])
    expect(planned.code).toBe(0)
    const plan = JSON.parse(planned.out) as { moves: Record<string, number>; unplaced: number }
    expect(plan).toMatchObject({ node: 'node-b', unplaced: 0 })
    expect(Object.keys(plan.moves).every((id) => id === 'node-a' || id === 'node-c')).toBe(true)
    // A node that is busy does not always say its figures in time.
    const shown = await until(
      'the figures of node-b',
      () => c.node('node-b'),
      (now) => typeof now?.actors === 'number',
    )
    expect(Object.values(plan.moves).reduce((sum, n) => sum + n, 0)).toBe(shown?.actors)
    expect(await c.ask(`/v1/locate?actor=${actor}`)).toMatchObject({ body: { owner: 'node-b' } })
    const removed = await troupe(['remove', 'node-b', '--url', a.admin])
    expect(removed).toMatchObject({ code: 1, err: expect.stringMatching(/^troupe: refused \(alive\): .*troupe drain node-b/) as string })
  })

  test('strangers are not let in, each is told why in one line: another secret, another cluster', async () => {
    const wrong = place()
    writeFileSync(join(wrong, 'secret'), 'another secret, as long as the right one')
    const other = place()
    const strangers = [
      new NodeProcess('stranger', wrong, ['--join', a.rpc, '--store', 'memory:']),
      new NodeProcess('neighbour', other, ['--join', a.rpc, '--cluster', 'other']),
    ]
    const [stranger, neighbour] = (await Promise.all(strangers.map((node) => node.ready()))) as [NodeProcess, NodeProcess]
    for (const node of [stranger, neighbour]) {
      // Nothing says which of its two outputs is read first.
      await node.running.line('err', /does not take this node/)
      const said = node.running.err.filter((line) => line.includes('does not take this node'))
      expect(said).toHaveLength(1)
      expect((await node.nodes()).map(({ id }) => id)).toEqual([node.name])
    }
    expect(stranger.running.err.join('\n')).toMatch(/does not take this node of cluster troupe in: .*secret/)
    expect(neighbour.running.err.join('\n')).toMatch(/does not take this node of cluster other in: .*cluster/)
    for (const node of [stranger, neighbour]) node.running.signal('SIGKILL')
    for (const node of [a, b, c]) expect((await node.nodes()).map(({ id }) => id)).toEqual(['node-a', 'node-b', 'node-c'])
  })

  test('the owner killed under load: what was acknowledged is there once, sends go on within their time', async () => {
    const actor = await actorOf('node-b', a, 'killed')
    const loads = [new Load(client(a), actor, 'a'), new Load(client(c), await actorOf('node-b', a, 'also'), 'c')]
    for (const load of loads) await load.further(20)
    b.running.signal('SIGKILL')
    for (const load of loads) await load.further(20)
    await Promise.all(loads.map((load) => load.stop()))
    for (const load of loads) {
      expect(load.failed).toEqual([])
      expect(load.slowestMs).toBeLessThan(10_000)
      await keptBy(c, load)
    }
    expect((await a.ask(`/v1/locate?actor=${actor}`)).body['owner']).not.toBe('node-b')
    expect(await a.metric('troupe_failover_seconds_count')).toBeGreaterThan(0)
  })

  test('it starts again under its name as the next generation, and gets its share', async () => {
    b = await new NodeProcess('node-b', dir, ['--join', `${a.rpc},${c.rpc}`]).ready()
    await together([a, b, c])
    expect(await c.node('node-b')).toMatchObject({ generation: 2 })
    const actor = await actorOf('node-b', c, 'killed')
    expect((await b.ask(`/v1/actors/${actor}/queries/got`)).status).toBe(200)
  })

  test('a node frozen for longer than a suspicion comes back as its next generation; nothing is lost or doubled', async () => {
    const before = (await a.node('node-c'))?.generation as number
    const load = new Load(client(a, b), await actorOf('node-c', a, 'frozen'), 'f')
    await load.further(10)
    // With no event under way: a process frozen in the middle of a commit would be ended by those who wait for the store.
    await load.stop()
    c.running.signal('SIGSTOP')
    const on = new Load(client(a, b), load.actor, 'g')
    await until(
      'node-c is given up',
      () => a.node('node-c'),
      (shown) => shown?.state === 'dead' && shown.presumed !== true,
    )
    await on.further(10)
    c.running.signal('SIGCONT')
    await until(
      'node-c is back',
      () => a.node('node-c'),
      (shown) => shown?.state === 'alive' && shown.phase === 'serving',
    )
    await together([a, b, c])
    await on.further(10)
    await on.stop()
    expect([...load.failed, ...on.failed]).toEqual([])
    expect((await c.node('node-c'))?.generation).toBeGreaterThan(before)
    for (const node of [a, b, c]) expect(await node.got(load.actor)).toEqual([...load.acked, ...on.acked])
  })

  test('a node drained under load, sockets and all: no request fails, it ends with 0, and stays in the list as left', async () => {
    const actors = [await actorOf('node-b', a, 'd'), await actorOf('node-a', a, 'd'), await actorOf('node-c', a, 'd')]
    // Half of them begin at the node that goes.
    const loads = actors.flatMap((actor, i) => [new Load(client(b, a, c), `${actor}b`, `b${i}`), new Load(client(c, a), actor, `c${i}`)])
    for (const load of loads) await load.further(5)
    const drained = await troupe(['drain', 'node-b', '--url', a.admin])
    expect(drained).toMatchObject({ code: 0, out: 'node-b has drained\n' })
    // Without figures when the node that goes did not say them in time.
    expect(drained.err).toMatch(/^node-b draining(: \d+ actors, \d+ sockets left)?$/m)
    expect(await b.running.exit).toBe(0)
    for (const load of loads) await load.further(5)
    await Promise.all(loads.map((load) => load.stop()))
    for (const load of loads) {
      expect(load.failed).toEqual([])
      await keptBy(a, load)
    }
    const left = await until(
      'node-c knows that it left',
      () => c.node('node-b'),
      (shown) => shown?.state === 'left',
    )
    expect(left).toMatchObject({ phase: 'stopped', actors: null, sockets: null })
    expect((await troupe(['nodes', '--url', c.admin])).out).toMatch(/^node-b +2 +left +stopped +- +- +-/m)
  })

  test('the last two drain one after the other, and the store has it all', async () => {
    const actor = await actorOf('node-a', c, 'last')
    expect((await c.post(actor, '1', 'k')).status).toBe(200)
    a.running.signal('SIGTERM')
    expect(await a.running.exit).toBe(0)
    expect(await c.got(actor)).toEqual(['1'])
    expect(await troupe(['drain', 'node-c', '--url', c.admin])).toMatchObject({ code: 0, out: 'node-c has drained\n' })
    expect(await c.running.exit).toBe(0)
  })
})
