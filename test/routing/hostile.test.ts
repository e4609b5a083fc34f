/** What another node may send, by mistake or by malice: a link may end, the node goes on, and nothing is left behind. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Wire, WireEvents } from '../../src/cluster/transport.ts'
import { LINK_VERSION, type LinkFrame } from '../../src/routing/link-frames.ts'
import { NOTHING, TestCluster } from './cluster.ts'
import { encoded, framesOf } from './frames.ts'
import type { TestTransport } from './wires.ts'

/** A member that says what a test says. */
class Stranger {
  readonly got: LinkFrame[] = []
  ended = ''
  readonly transport: TestTransport
  #wire: Wire | null = null

  constructor(cluster: TestCluster, id: string, generation = 1) {
    this.transport = cluster.wires.join({ id, generation, address: `${id}:7100` })
  }

  events(): WireEvents {
    return {
      opened: () => undefined,
      message: (bytes) => void this.got.push(...framesOf({ bytes })),
      closed: (end) => void (this.ended = end),
    }
  }

  /** Listens, and says these to whoever dials. */
  answer(frames: (asked: readonly LinkFrame[]) => readonly LinkFrame[]): void {
    this.transport.accept = (_channel, wire) => ({
      ...this.events(),
      message: (bytes) => {
        const asked = framesOf({ bytes })
        this.got.push(...asked)
        wire.send(encoded(frames(asked)))
      },
    })
  }

  dial(address: string): void {
    this.#wire = this.transport.dial(address, 'data', this.events())
  }

  say(...frames: LinkFrame[]): void {
    this.#wire?.send(encoded(frames))
  }

  raw(bytes: Uint8Array): void {
    this.#wire?.send(bytes)
  }

  close(): void {
    this.#wire?.close()
  }
}

const hello: LinkFrame = { t: 'hello', version: LINK_VERSION, viewHash: '' }
const send = (id: number, actor: string): LinkFrame => ({
  t: 'send',
  id,
  timeoutMs: 1000,
  call: { actor, type: 'add', data: { v: 'x' }, sender: 'user:u', key: `k${id}` },
})

describe('a node that asks', () => {
  it.each<[string, LinkFrame]>([
    ['an answer', { t: 'replied', id: 1, offset: 1, durable: true, duplicate: false }],
    ['a note', { t: 'note', sub: 1, note: { journal: 'j', epoch: 1, offset: 1 } }],
    ['another version', { t: 'hello', version: LINK_VERSION + 1, viewHash: '' }],
  ])('and sends %s loses its link, and nobody else does', async (_what, frame) => {
    const cluster = new TestCluster(['n1', 'n2'])
    const stranger = new Stranger(cluster, 'x')
    stranger.dial('n1:7100')
    await cluster.settle(10)
    expect(stranger.got.map(({ t }) => t)).toEqual(['welcome', 'credit'])
    stranger.say(hello, frame)
    await cluster.settle(10)
    expect(stranger.ended).toBe('closed')
    expect(await cluster.during(cluster.node('n2').add(cluster.actorOf('n1'), 'x'))).toMatchObject({ ok: true })
  })

  it('more than its credit allows loses its link', async () => {
    const cluster = new TestCluster(['n1', 'n2'], { linkInflight: 5 })
    const stranger = new Stranger(cluster, 'x')
    stranger.dial('n1:7100')
    await cluster.settle(10)
    const actor = cluster.actorOf('n1')
    stranger.say(hello, ...[1, 2, 3, 4, 5].map((id) => send(id, actor)))
    await cluster.settle(20)
    expect(stranger.got.filter(({ t }) => t === 'replied')).toHaveLength(5)
    expect(stranger.ended).toBe('')
    stranger.say(...[6, 7, 8, 9, 10, 11].map((id) => send(id, actor)))
    await cluster.settle(20)
    expect(stranger.ended).toBe('closed')
    expect(cluster.node('n1').open).toEqual(NOTHING)
  })

  it('for what is not, in every way, gets typed answers', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const stranger = new Stranger(cluster, 'x')
    stranger.dial('n1:7100')
    await cluster.settle(10)
    const actor = cluster.actorOf('n1')
    const topic = (id: number, name: string): LinkFrame => ({ t: 'subscribe', id, timeoutMs: 100, call: { actor, topic: name } })
    stranger.say(
      hello,
      { t: 'unsubscribe', sub: 99 },
      { t: 'seen', move: 2 ** 50 },
      { t: 'finished', viewHash: 'x'.repeat(10_000) },
      { t: 'renew', renewals: [{ sub: 98, journal: '', epoch: 0, offset: 0 }] },
      { t: 'pull', id: 1, timeoutMs: 0, actor: '\u0000' },
      { t: 'bundle', id: 2, timeoutMs: 0, actor, bytes: new Uint8Array([1, 2, 3, 4, 5, 6]) },
      { t: 'bundle', id: 3, timeoutMs: 0, actor: cluster.actorOf('n2'), bytes: new Uint8Array(0) },
      send(4, cluster.actorOf('n2')),
      send(5, 'no name'),
      { t: 'query', id: 6, timeoutMs: 0, call: { actor, name: 'constructor', args: null } },
      topic(7, 'newest'),
      topic(7, 'newest'),
      topic(8, 'nothing'),
      { t: 'history', id: 9, timeoutMs: 100, call: { actor, from: 2 ** 52, limit: 2 ** 52 } },
    )
    await cluster.settle(200)
    const answers = stranger.got.filter((frame) => 'id' in frame || frame.t === 'ended')
    const kinds = answers.map((frame) => ('id' in frame ? `${frame.id} ${frame.t}` : `${frame.t}`)).toSorted()
    expect(kinds).toEqual([
      '1 pulled',
      '2 handed',
      '3 handed',
      '4 moved',
      '5 moved',
      '6 failed',
      '7 failed',
      '7 state',
      '8 failed',
      '9 page',
      'ended',
    ])
    expect(stranger.ended).toBe('')
    expect(cluster.node('n1').open).toEqual({ ...NOTHING, leases: 1 })
    stranger.close()
    await cluster.settle(10)
    expect(cluster.node('n1').open).toEqual(NOTHING)
  })

  it('on a second wire has the first one closed; an older generation is not let in', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const [older, first, second] = [new Stranger(cluster, 'x', 1), new Stranger(cluster, 'x', 2), new Stranger(cluster, 'x', 2)]
    first.dial('n1:7100')
    await cluster.settle(10)
    older.dial('n1:7100')
    await cluster.settle(10)
    expect([older.ended, first.ended]).toEqual(['closed', ''])
    second.dial('n1:7100')
    await cluster.settle(10)
    expect([first.ended, second.ended]).toEqual(['closed', ''])
    second.say(hello, send(1, cluster.actorOf('n1')))
    await cluster.settle(20)
    expect(second.got.map(({ t }) => t)).toContain('replied')
  })

  it('with any bytes at all ends its link at most', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 10 }), async (messages) => {
        const cluster = new TestCluster(['n1', 'n2'])
        const stranger = new Stranger(cluster, 'x')
        stranger.dial('n1:7100')
        await cluster.settle(5)
        stranger.say(hello)
        for (const message of messages) stranger.raw(message)
        await cluster.settle(50)
        stranger.close()
        await cluster.settle(2000)
        expect(cluster.node('n1').open).toEqual(NOTHING)
        expect(cluster.node('n1').logged.filter((line) => line.startsWith('!'))).toEqual([])
        expect(await cluster.during(cluster.node('n2').add(cluster.actorOf('n1'), 'x'))).toMatchObject({ ok: true })
      }),
      { numRuns: 150 },
    )
  })
})

describe('a node that answers', () => {
  /** n2 is replaced by one that says `frames` to whatever is asked. */
  function facing(frames: (asked: readonly LinkFrame[]) => readonly LinkFrame[]): { cluster: TestCluster; stranger: Stranger } {
    const cluster = new TestCluster(['n1', 'n2'])
    const stranger = new Stranger(cluster, 'n2')
    stranger.answer(frames)
    return { cluster, stranger }
  }
  const welcome: LinkFrame[] = [
    { t: 'welcome', version: LINK_VERSION, viewHash: '' },
    { t: 'credit', requests: 100, bytes: 1_000_000 },
  ]
  const ids = (asked: readonly LinkFrame[]): number[] => asked.flatMap((frame) => ('id' in frame ? [frame.id] : []))

  it('only `moved` keeps nobody beyond its deadline, and is asked ever more slowly', async () => {
    const { cluster, stranger } = facing((asked) => [
      ...welcome,
      ...ids(asked).map((id): LinkFrame => ({ t: 'moved', id, move: id, viewHash: '', owner: 'n2', minVersion: 0 })),
    ])
    const n1 = cluster.node('n1')
    const begun = cluster.clock.mono()
    const outcomes = await cluster.during(
      Promise.all([
        n1.add(cluster.actorOf('n2'), 'x', { timeoutMs: 5000 }),
        n1.query(cluster.actorOf('n2'), 'got', null, { timeoutMs: 5000 }),
      ]),
    )
    expect(outcomes).toMatchObject([{ code: 'timeout' }, { code: 'timeout' }])
    expect(cluster.clock.mono() - begun).toBe(5000)
    expect(stranger.got.filter(({ t }) => t === 'send').length).toBeLessThan(12)
    expect(n1.open).toEqual(NOTHING)
  })

  it('with the wrong kind, twice, or for what was not asked, gives a typed failure and no more', async () => {
    const { cluster } = facing((asked) => [
      ...welcome,
      { t: 'replied', id: 12_345, offset: 1, durable: true, duplicate: false },
      { t: 'ended', sub: 5 },
      { t: 'note', sub: 5, note: { journal: '', epoch: 1, offset: 1 } },
      ...ids(asked).flatMap((id): LinkFrame[] => [
        { t: 'handed', id, taken: true },
        { t: 'replied', id, offset: 1, durable: true, duplicate: false },
      ]),
    ])
    const n1 = cluster.node('n1')
    const actor = cluster.actorOf('n2')
    const outcomes = await cluster.during(
      Promise.all([n1.add(actor, 'x'), n1.query(actor), n1.history(actor, 1, 1), n1.topic(actor, 'newest')]),
    )
    expect(outcomes.map((outcome) => !outcome.ok && outcome.code)).toEqual(['internal', 'internal', 'internal', 'internal'])
    expect(n1.open).toEqual(NOTHING)
  })

  it.each<[string, LinkFrame]>([
    ['asks on the link it answers on', { t: 'seen', move: 1 }],
    ['speaks another version', { t: 'welcome', version: LINK_VERSION + 1, viewHash: '' }],
  ])('and %s loses the link; what was asked comes again elsewhere', async (_what, frame) => {
    const { cluster } = facing(() => [frame])
    const n1 = cluster.node('n1')
    const outcome = n1.add(cluster.actorOf('n2'), 'x')
    await cluster.settle(2000)
    cluster.agree(['n1'])
    expect(await cluster.during(outcome)).toMatchObject({ ok: true })
  })

  it('is another node than the address should have: its link ends, and it is not asked', async () => {
    const cluster = new TestCluster(['n1', 'n2'])
    const stranger = new Stranger(cluster, 'n2', 7)
    stranger.answer(() => welcome)
    const outcome = await cluster.during(cluster.node('n1').add(cluster.actorOf('n2'), 'x', { timeoutMs: 2000 }))
    expect(outcome).toMatchObject({ code: 'timeout' })
    expect(stranger.got).toEqual([])
  })
})
