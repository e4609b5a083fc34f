/**
 * Promise 5: a deploy is not an outage. All nodes of a cluster, gateways and owners of actors apart, are restarted one after the other by
 * the supervisor that `troupe cluster` and `start --workers` use, under load from the SDK, from plain HTTP and from gRPC.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, type Client } from '../../src/client/index.ts'
import { cleanUp } from '../cli/troupe.ts'
import { TestClient } from '../rpc/rpc-rig.ts'
import { LIMIT_MS, place, until } from './nodes.ts'
import { Caller, GATEWAYS, NAMES, SupervisedCluster } from './supervised-cluster.ts'

afterAll(cleanUp)

interface Listed {
  readonly nodes: readonly { readonly id: string; readonly generation: number; readonly state: string }[]
}

const listed = ({ nodes }: Listed): string[] => nodes.map(({ id, generation, state }) => `${id} ${generation} ${state}`)
/** A service's: grpc-js waits longer and longer before it connects again; here that is not what is tried. */
const QUICK = { 'grpc.initial_reconnect_backoff_ms': 50, 'grpc.max_reconnect_backoff_ms': 50 }

/** Waits for something that happens in this process. */
const happens = <T>(what: string, look: () => T, wanted: (now: T) => boolean): Promise<T> =>
  until(what, () => Promise.resolve(look()), wanted, 2 * LIMIT_MS)

describe('a rolling restart of gateways and owners', () => {
  let cluster: SupervisedCluster
  const rpc = new Map<string, TestClient>()
  const clients: Client[] = []
  beforeAll(async () => {
    cluster = await SupervisedCluster.start(place())
  }, 120_000)
  afterAll(async () => {
    for (const client of clients) client.close()
    for (const { actors } of rpc.values()) actors.close()
    cluster.supervisor.stop()
    await cluster.supervisor.done
  })

  /** A person with the SDK, which knows both gateways; what its connection went through, and what its feed brought. */
  function person(i: number): { readonly caller: Caller; readonly went: string[]; readonly feed: string[] } {
    const client = connect(
      GATEWAYS.map((name) => `ws://${cluster.at('client', name)}`),
      { token: `dev:sdk${i}` },
    )
    clients.push(client)
    const [went, feed] = [[] as string[], [] as string[]]
    client.on('state', (state) => went.push(state))
    client.on('error', (error) => went.push(String(error)))
    const actor = client.actor(`list/sdk${i}`)
    actor.subscribe('feed', ({ data }) => feed.push((data as { id: string }).id), { from: 'start', onGap: () => went.push('gap') })
    const caller = new Caller(`list/sdk${i}`, ['any'], async (_, id) => void (await actor.send('add', { id })))
    return { caller, went, feed }
  }

  /** A service with gRPC, and one with HTTP, that ask one node first. */
  function service(kind: 'grpc' | 'http', first: string): Caller {
    const actor = `list/${kind}-${first}`
    const all = kind === 'http' ? GATEWAYS : NAMES
    const nodes = [first, ...all.filter((name) => name !== first)]
    if (kind === 'http') return new Caller(actor, nodes, (node, id) => cluster.post(node, actor, id))
    return new Caller(actor, nodes, async (node, id) => {
      await rpc.get(node)?.send({ actor, type: 'add', data: { id }, key: id }, {}, { deadline: Date.now() + LIMIT_MS })
    })
  }

  test('under load: no request fails, none to a node that stays, nothing is lost or doubled; sockets stay while owners restart', async () => {
    for (const name of NAMES) rpc.set(name, new TestClient(cluster.at('rpc', name), QUICK))
    const people = [0, 1, 2, 3].map(person)
    const plain = GATEWAYS.map((name) => service('http', name))
    const grpc = NAMES.map((name) => service('grpc', name))
    const callers = [...people.map(({ caller }) => caller), ...plain, ...grpc]
    const further = async (count: number): Promise<void> => {
      const wanted = new Map(callers.map((caller) => [caller, caller.acked.length + count]))
      const missing = (): string[] => callers.filter((caller) => caller.acked.length < (wanted.get(caller) ?? 0)).map(({ actor }) => actor)
      await happens(`${count} more of each`, missing, (left) => left.length === 0)
    }
    await further(5)

    // While owners restart: what connections go through, and how many the gateways have welcomed.
    let ownersOver = false
    let wentByOwners: string[] = []
    cluster.heard = (line) => {
      if (!line.startsWith('gateway-1 restarts (')) return
      ownersOver = true
      wentByOwners = people.flatMap(({ went }) => went)
    }
    const welcomed: number[] = []
    const count = async (): Promise<void> => {
      while (!ownersOver) {
        const each = await Promise.all(GATEWAYS.map((name) => cluster.metric(name, 'troupe_gateway_connected_total')))
        if (!ownersOver) welcomed.push(each.reduce((a, b) => a + b))
      }
    }
    const counting = count()
    cluster.supervisor.restart()
    await happens(
      'the end',
      () => cluster.said.map(({ line }) => line).at(-1),
      (line) => /was the last|did not come back/.test(line ?? ''),
    )
    await counting
    await further(5)
    await Promise.all(callers.map((caller) => caller.stop()))

    expect(cluster.said.map(({ line }) => line.replace(/[\d.]+ s$/, 'S s'))).toEqual([
      ...NAMES.map((name, i) => `${name} restarts (${i + 1} of 4)`),
      'gateway-2 was the last: all 4 were restarted, in S s',
    ])
    const anew = NAMES.toSorted().map((name) => `${name} 2 alive`)
    await until(
      'owner-1 knows all of them anew',
      async () => listed((await cluster.admin('owner-1', '/v1/nodes')) as Listed),
      (nodes) => nodes.join() === anew.join(),
    )
    for (const { actor, acked, failed } of callers) {
      expect(failed, actor).toEqual([])
      const answer = (await cluster.admin('owner-2', `/v1/actors/${actor}/queries/got?strict=true`)) as { data: string[] }
      expect(answer.data, actor).toEqual(acked)
    }
    // Each went in order: none was found gone.
    expect(await cluster.metric('owner-1', 'troupe_departures_total')).toBe(3)
    expect(await cluster.metric('owner-1', 'troupe_deaths_total')).toBe(0)
    // Both owners are others now, every actor has moved, and no socket knows of it.
    expect(wentByOwners).toEqual(people.map(() => 'open'))
    expect(welcomed.length).toBeGreaterThan(0)
    expect(new Set(welcomed)).toEqual(new Set([people.length]))
    // The SDK absorbs the gateways' restarts too; the feeds are whole.
    for (const { caller, went, feed } of people) {
      expect(caller.tries.filter(({ failure }) => failure !== null)).toEqual([])
      expect(went.filter((what) => what !== 'open' && what !== 'resuming')).toEqual([])
      await happens(
        'the feed',
        () => feed.length,
        (length) => length >= caller.acked.length,
      )
      expect(feed).toEqual(caller.acked)
    }
    // What is asked of a node that is not just restarting is answered at the first try. A gRPC channel first has to find that it is back.
    for (const { actor, tries } of [...plain, ...grpc])
      for (const name of NAMES) {
        const { from, to } = cluster.restartOf(name)
        const asked = tries.filter(({ node }) => node === name)
        const back = asked.find((one) => one.from > to && one.failure === null)?.from
        const refused = asked.filter(
          (one) => one.failure !== null && (one.to < from || one.from > (grpc.some((c) => c.actor === actor) ? (back ?? to) : to)),
        )
        expect(refused, `${actor} at ${name}`).toEqual([])
        if (actor.endsWith(name)) expect(back, `${actor} again at ${name}`).toBeDefined()
      }
  }, 360_000)
})
