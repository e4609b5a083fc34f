import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Gap } from '../../src/client/index.ts'
import { setup, watch } from './setup.ts'

describe('a subscription', () => {
  it('to a log gets every entry from now on, in order, across reconnections, none twice (promise 4)', async () => {
    const { clock, server, client, open } = setup()
    server.append('user/alice', 'old', 0)
    const got: unknown[] = []
    client.actor().subscribe('feed', ({ data }) => got.push(data))
    await open()
    await clock.run(10)
    for (let n = 1; n <= 20; n++) {
      server.append('user/alice', 'a', n)
      await clock.run(3)
      if (n % 5 === 0) {
        server.socket.cut()
        server.append('user/alice', 'a', n + 0.5)
        await open()
        await clock.run(10)
      }
    }
    expect(got).toEqual(Array.from({ length: 20 }, (_, n) => ((n + 1) % 5 === 0 ? [n + 1, n + 1.5] : [n + 1])).flat())
    expect(
      server
        .of('subscribe')
        .slice(1)
        .every(({ from }) => from.journal === 'j-user/alice'),
    ).toBe(true)
  })

  it('from the start, or from a position', async () => {
    const { clock, server, client, open } = setup()
    for (let n = 1; n <= 5; n++) server.append('user/alice', 'a', n)
    const all: unknown[] = []
    const some: unknown[] = []
    client.actor().subscribe('feed', ({ offset }) => all.push(offset), { from: 'start' })
    client.actor().subscribe('feed', ({ offset, journal, type, at }) => some.push([offset, journal, type, typeof at]), {
      from: { journal: 'j-user/alice', offset: 4 },
    })
    await open()
    await clock.run(10)
    expect(all).toEqual([1, 2, 3, 4, 5])
    expect(some).toEqual([[5, 'j-user/alice', 'a', 'number']])
  })

  it('to a view gets its value at once, then the newest, not the same again after a reconnection', async () => {
    const { clock, server, client, open } = setup()
    server.append('user/alice', 'a', 0)
    const got: unknown[] = []
    client.actor().subscribe('summary', ({ data }) => got.push(data))
    await open()
    await clock.run(10)
    server.append('user/alice', 'a', 0)
    await clock.run(10)
    server.socket.cut()
    await open()
    await clock.run(10)
    expect(got).toEqual([{ n: 1 }, { n: 2 }])
    server.socket.cut()
    server.append('user/alice', 'a', 0)
    await open()
    await clock.run(10)
    expect(got).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
  })

  it('to a signal is told that something changed while it was away', async () => {
    const { clock, server, client, open } = setup()
    const got: unknown[] = []
    client.actor().subscribe('changed', (note) => got.push(note))
    await open()
    await clock.run(10)
    server.socket.cut()
    server.append('user/alice', 'a', 0)
    server.append('user/alice', 'a', 0)
    await open()
    await clock.run(10)
    expect(got).toEqual([{ journal: 'j-user/alice', offset: 2 }])
  })

  it('that finds a note missing subscribes again from the last it has', async () => {
    const { clock, server, client, open } = setup()
    const got: unknown[] = []
    client.actor().subscribe('feed', ({ data }) => got.push(data))
    await open()
    await clock.run(10)
    server.append('user/alice', 'a', 1)
    // A note is lost on the way to this subscriber.
    const sub = server.socket.subs[0]
    if (sub === undefined) throw new Error('not subscribed')
    const [actor, ...lost] = ['user/alice', 2, 3]
    sub.actor = 'nobody'
    for (const n of lost) server.append(actor as string, 'a', n)
    sub.actor = 'user/alice'
    sub.last = 3
    server.append('user/alice', 'a', 4)
    await clock.run(20)
    expect(got).toEqual([1, 2, 3, 4])
    expect(server.of('unsubscribe').map((frame) => frame.sub)).toEqual([sub.sub])
    expect(server.socket.subs.length).toBe(1)
  })

  it('is told what can no longer be replayed, before what comes after', async () => {
    const { clock, server, client, open } = setup()
    const got: unknown[] = []
    const gaps: Gap[] = []
    client.on('gap', (gap) => gaps.push(gap))
    client.actor('user/alice').subscribe('feed', ({ data }) => got.push(data), { onGap: ({ from, to }) => got.push([from, to]) })
    await open()
    await clock.run(10)
    server.append('user/alice', 'a', 1)
    await clock.run(10)
    server.socket.cut()
    for (let n = 2; n <= 6; n++) server.append('user/alice', 'a', n)
    server.actor('user/alice').oldest = 5
    await open()
    await clock.run(10)
    expect(got).toEqual([1, [2, 4], 5, 6])
    expect(gaps).toEqual([{ actor: 'user/alice', topic: 'feed', from: 2, to: 4, journalChanged: false }])
  })

  it('is told when the actor began another journal, and follows that', async () => {
    const { clock, server, client, open } = setup()
    const got: unknown[] = []
    const gaps: Gap[] = []
    client.on('gap', (gap) => gaps.push(gap))
    client.actor().subscribe('feed', ({ data, journal }) => got.push([journal, data]))
    await open()
    await clock.run(10)
    for (let n = 1; n <= 3; n++) server.append('user/alice', 'a', n)
    await clock.run(10)
    server.socket.cut()
    const actor = server.actor('user/alice')
    actor.journal = 'second'
    actor.entries.length = 1
    await open()
    await clock.run(10)
    server.append('user/alice', 'b', 'new')
    await clock.run(10)
    expect(gaps).toEqual([{ actor: undefined, topic: 'feed', from: 4, to: 1, journalChanged: true }])
    expect(got.at(-1)).toEqual(['second', 'new'])
    // What was seen of the old journal is no longer asked for.
    const asked = watch(client.actor().query('count'))
    await clock.until(() => asked.state === 'resolved')
    expect(server.of('query').at(-1)).toMatchObject({ atLeast: 2 })
  })

  it('drops what it has already had', async () => {
    const { clock, server, client, open } = setup()
    const got: number[] = []
    client.actor().subscribe('feed', ({ offset }) => got.push(offset))
    await open()
    await clock.run(10)
    server.append('user/alice', 'a', 1)
    server.append('user/alice', 'a', 2)
    const sub = server.socket.subs[0]?.sub as number
    server.socket.toClient({ t: 'note', sub, from: 1, offset: 1, type: 'a', at: 1, data: 1 })
    await clock.run(10)
    expect(got).toEqual([1, 2])
  })

  it('goes on in another journal when a gap says so', async () => {
    const { clock, server, client, open } = setup()
    const got: unknown[] = []
    client.actor().subscribe('changed', ({ journal, offset }) => got.push([journal, offset]), {
      onGap: ({ from, to, journalChanged }) => got.push([from, to, journalChanged]),
    })
    for (let n = 1; n <= 9; n++) server.append('user/alice', 'a', n)
    await open()
    await clock.run(10)
    const sub = server.socket.subs[0]?.sub as number
    server.socket.toClient({ t: 'gap', sub, from: 10, to: 3, journal: 'second' })
    server.socket.toClient({ t: 'note', sub, from: 4, offset: 4 })
    await clock.run(10)
    expect(got).toEqual([
      [10, 3, true],
      ['second', 4],
    ])
  })

  it('ends with unsubscribe(), at any time, and no note follows', async () => {
    const { clock, server, client, open } = setup()
    let heard = 0
    const early = client.actor().subscribe('feed', () => heard++)
    early()
    await open()
    const asked = client.actor().subscribe('feed', () => heard++)
    asked()
    await clock.run(20)
    const live = client.actor().subscribe('feed', () => heard++)
    await clock.run(20)
    server.append('user/alice', 'a', 1)
    live()
    live()
    await clock.run(20)
    expect(heard).toBe(0)
    expect(server.socket.subs).toEqual([])
    expect([server.of('subscribe').length, server.of('unsubscribe').length]).toEqual([2, 2])
    server.socket.cut()
    await open()
    await clock.run(1_000)
    expect(server.of('subscribe').length).toBe(2)
  })

  it('that is refused for good is over and told; one refused for now is asked for again', async () => {
    const { clock, server, client, open } = setup()
    const errors: string[] = []
    client.on('error', (error) => errors.push((error as Error & { code: string }).code))
    let refused: string | undefined
    client.actor().subscribe('nope', () => undefined, {
      onError: ({ code }) => {
        refused = code
      },
    })
    let refusals = 3
    server.intercept = (socket, frame) => {
      if (frame.t !== 'subscribe' || frame.topic !== 'feed' || refusals-- <= 0) return false
      server.refuse(socket, frame.id, 'moved')
      return true
    }
    let heard = 0
    client.actor().subscribe('feed', () => heard++)
    await open()
    await clock.until(() => server.socket.subs.length === 1)
    server.append('user/alice', 'a', 1)
    await clock.run(20)
    expect([refused, heard, errors]).toEqual(['unknown_topic', 1, ['unknown_topic']])
  })
})

describe('a query', () => {
  it('asks for at least what was seen in any reply or note (D11)', async () => {
    const { clock, server, client, open } = setup()
    await open()
    const sent = watch(client.actor().send('a'))
    await clock.until(() => sent.state === 'resolved')
    const first = watch(client.actor('user/alice').query('count', { x: 1 }, { strict: true }))
    await clock.until(() => first.state === 'resolved')
    expect(first.value).toBe(1)
    client.actor().subscribe('changed', () => undefined)
    await clock.run(10)
    server.append('user/alice', 'a', 0)
    await clock.run(10)
    const second = watch(client.actor().query('count'))
    await clock.until(() => second.state === 'resolved')
    expect(server.of('query').map(({ atLeast, strict, args }) => [atLeast, strict, args])).toEqual([
      [1, true, { x: 1 }],
      [2, undefined, undefined],
    ])
  })

  it('is repeated after a passing refusal and on the next connection; rejects at its deadline', async () => {
    const { clock, server, client, open } = setup()
    await open()
    let refusals = 2
    server.intercept = (socket, frame) => {
      if (frame.t !== 'query' || refusals-- <= 0) return false
      server.refuse(socket, frame.id, 'overloaded')
      return true
    }
    const refused = watch(client.actor().query('count'))
    await clock.until(() => refused.state !== 'pending')
    expect(refused.state).toBe('resolved')
    server.replyHoldMs = () => 1e9
    const cut = watch(client.actor().query('count'))
    await clock.run(10)
    server.socket.cut()
    server.replyHoldMs = () => 0
    await clock.until(() => cut.state !== 'pending')
    expect(cut.state).toBe('resolved')
    server.unreachable = true
    server.socket.cut()
    const late = watch(client.actor().query('count', undefined, { timeoutMs: 2_000 }))
    await clock.run(2_000)
    expect(late).toMatchObject({ state: 'rejected', code: 'timeout' })
  })

  it('history() gives a page', async () => {
    const { clock, server, client } = setup()
    for (let n = 1; n <= 5; n++) server.append('user/alice', 'a', n)
    const page = watch(client.actor().history({ from: 2, limit: 2 }))
    await clock.until(() => page.state === 'resolved')
    expect(page.value).toMatchObject({
      entries: [
        { offset: 2, data: 2 },
        { offset: 3, data: 3 },
      ],
      more: true,
    })
  })
})

describe('a subscription that is refused for good', () => {
  afterEach(() => vi.restoreAllMocks())

  it.each(['nobody', 'onError', 'on'] as const)('is warned of on the console once when nobody listens (%s listens)', async (who) => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue()
    const { clock, server, client, open } = setup()
    server.intercept = (socket, frame) => {
      if (frame.t !== 'subscribe') return false
      const error = { code: 'denied', message: 'not yours', retryable: false } as const
      socket.toClient({ t: 'reply', id: frame.id, ok: false, error })
      return true
    }
    const heard: string[] = []
    if (who === 'on') client.on('error', (error) => heard.push(error.message))
    const onError = (error: Error): void => void heard.push(error.message)
    for (const topic of ['feed', 'summary'])
      client.actor('user/bob').subscribe(topic, () => undefined, who === 'onError' ? { onError } : {})
    await open()
    await clock.run(100)
    if (who !== 'nobody') return expect([heard, warn.mock.calls]).toEqual([['not yours', 'not yours'], []])
    expect(warn.mock.calls).toEqual([[expect.stringContaining('nobody listens'), expect.objectContaining({ code: 'denied' })]])
  })
})
