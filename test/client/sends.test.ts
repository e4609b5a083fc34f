import { describe, expect, it } from 'vitest'
import { setup, watch } from './setup.ts'

describe('a send', () => {
  it('resolves with offset, durable and duplicate', async () => {
    const { clock, client } = setup()
    const sent = watch(client.actor('user/alice').send('noted', { text: 'hi' }))
    await clock.until(() => sent.state !== 'pending')
    expect(sent).toEqual({ state: 'resolved', value: { offset: 1, durable: true, duplicate: false } })
  })

  it('to one’s own actor and to the same by name share one sequence', async () => {
    const { clock, server, client } = setup()
    const sent = [client.actor().send('a'), client.actor('user/alice').send('b'), client.actor().send('c')].map(watch)
    await clock.until(() => sent.every(({ state }) => state === 'resolved'))
    await clock.until(() => client.state === 'open')
    const later = watch(client.actor('user/alice').send('d'))
    await clock.until(() => later.state === 'resolved')
    expect(server.actor('user/alice').entries.map(({ type }) => type)).toEqual(['a', 'b', 'c', 'd'])
    expect(server.of('send').map(({ seq, to }) => [seq, to])).toEqual([
      [1, undefined],
      [2, undefined],
      [3, undefined],
      [4, undefined],
    ])
  })

  it('carries the data as it was at the call', async () => {
    const { clock, server, client } = setup()
    const data = { n: 1 }
    const sent = watch(client.actor().send('a', data))
    data.n = 2
    await clock.until(() => sent.state === 'resolved')
    expect(server.actor('user/alice').entries[0]?.data).toEqual({ n: 1 })
  })

  it('made offline waits, in order, beyond 10 s, in a bounded queue', async () => {
    const { clock, server, client } = setup({ queueMax: 3 })
    server.unreachable = true
    const sent = [1, 2, 3, 4].map((n) => watch(client.actor().send('a', n)))
    await clock.run(60_000)
    expect(sent.map(({ state, code }) => code ?? state)).toEqual(['pending', 'pending', 'pending', 'overloaded'])
    server.unreachable = false
    await clock.until(() => sent.every(({ state }) => state !== 'pending'))
    expect(server.actor('user/alice').entries.map(({ data }) => data)).toEqual([1, 2, 3])
    // The places are free again.
    const more = watch(client.actor().send('a', 5))
    await clock.until(() => more.state === 'resolved')
  })

  it('made offline with timeoutMs rejects then, and is not sent later', async () => {
    const { clock, server, client } = setup()
    server.unreachable = true
    const sent = watch(client.actor().send('a', 1, { timeoutMs: 3000 }))
    await clock.run(2_999)
    expect(sent.state).toBe('pending')
    await clock.run(1)
    expect(sent).toMatchObject({ state: 'rejected', code: 'timeout' })
    expect(sent.message).toContain('was not applied')
    server.unreachable = false
    await clock.run(60_000)
    expect(client.state).toBe('open')
    expect(server.of('send')).toEqual([])
  })

  it('unanswered when the connection breaks is repeated under the same number, and applied once', async () => {
    const { clock, server, client, open } = setup()
    await open()
    let lost = 2
    server.replyHoldMs = () => (lost-- > 0 ? 1_000_000 : 0)
    const sent = [1, 2, 3].map((n) => watch(client.actor().send('a', n)))
    await clock.run(1) // arrived, applied, the answers under way
    server.socket.cut()
    await clock.until(() => sent.every(({ state }) => state === 'resolved'))
    expect(sent.map(({ value }) => [value?.offset, value?.duplicate])).toEqual([
      [1, true],
      [2, true],
      [3, true],
    ])
    expect(server.actor('user/alice').entries.map(({ data }) => data)).toEqual([1, 2, 3])
    expect(server.of('send').map(({ seq, base }) => [seq, base])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [1, 1],
      [2, 1],
      [3, 1],
    ])
    expect(server.of('connect')[1]).toMatchObject({ ticket: 'ticket:s1' })
    expect(server.of('connect')[1].token).toBeUndefined()
  })

  it('names as base the oldest number without an answer', async () => {
    const { clock, server, client, open } = setup()
    await open()
    const first = [1, 2].map((n) => watch(client.actor().send('a', n)))
    await clock.until(() => first.every(({ state }) => state === 'resolved'))
    const second = [3, 4].map((n) => watch(client.actor().send('a', n)))
    await clock.until(() => second.every(({ state }) => state === 'resolved'))
    expect(server.of('send').map(({ seq, base }) => [seq, base])).toEqual([
      [1, 1],
      [2, 1],
      [3, 3],
      [4, 3],
    ])
  })

  it('keeps to the server’s window of unanswered requests', async () => {
    const { clock, server, client, open } = setup()
    server.limits = { ...server.limits, inflight: 4 }
    await open()
    server.replyHoldMs = () => 500
    const sent = Array.from({ length: 10 }, (_, n) => watch(client.actor().send('a', n)))
    await clock.run(100)
    expect(server.of('send').length).toBe(4)
    await clock.until(() => sent.every(({ state }) => state === 'resolved'))
    expect(server.actor('user/alice').entries.map(({ data }) => data)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('larger than a frame may be rejects too_large, and leaves no hole', async () => {
    const { clock, client, open } = setup()
    await open()
    const sent = ['x', 'y'.repeat(70_000), 'z'].map((text) => watch(client.actor().send('a', text)))
    await clock.until(() => sent.every(({ state }) => state !== 'pending'))
    expect(sent.map(({ state, code }) => code ?? state)).toEqual(['resolved', 'too_large', 'resolved'])
  })

  it('of data that cannot be encoded rejects invalid', async () => {
    const { client } = setup()
    const loop: { self?: unknown } = {}
    loop.self = loop
    await expect(client.actor().send('a', loop)).rejects.toMatchObject({ code: 'invalid' })
    await expect(client.actor().send('a', new Uint8Array(1))).rejects.toMatchObject({ code: 'invalid' })
    await expect(client.actor().send('a', () => 1)).rejects.toMatchObject({ code: 'invalid' })
  })
})

describe('a refusal', () => {
  it('that is final uses up its number: later sends go on (D2)', async () => {
    const { clock, server, client, open } = setup()
    await open()
    const sent = ['a', 'refuse', 'b'].map((type) => watch(client.actor().send(type)))
    await clock.until(() => sent.every(({ state }) => state !== 'pending'))
    expect(sent.map(({ state, code }) => code ?? state)).toEqual(['resolved', 'refused', 'resolved'])
    expect(server.of('send').map(({ seq }) => seq)).toEqual([1, 2, 3])
  })

  it.each(['deny', 'deny-bare'])('that uses up nothing (%s) gives its number to the next', async (type) => {
    const { clock, server, client, open } = setup()
    await open()
    const sent = ['a', type, 'b', 'c'].map((name) => watch(client.actor().send(name)))
    await clock.until(() => sent.every(({ state }) => state !== 'pending'))
    expect(sent.map(({ state, code }) => code ?? state)).toEqual(['resolved', 'denied', 'resolved', 'resolved'])
    expect(server.actor('user/alice').entries.map(({ type: name }) => name)).toEqual(['a', 'b', 'c'])
    // Also when nothing was behind it.
    const alone = watch(client.actor().send(type))
    await clock.until(() => alone.state !== 'pending')
    const next = watch(client.actor().send('d'))
    await clock.until(() => next.state !== 'pending')
    expect([alone.code, next.state]).toEqual(['denied', 'resolved'])
  })

  it.each(['overloaded', 'moved', 'store_unavailable', 'rate_limited', 'unavailable'] as const)(
    'that passes (%s) is retried under the same number, and later sends keep their order',
    async (code) => {
      const { clock, server, client, open } = setup()
      await open()
      let refusals = 3
      server.intercept = (socket, frame) => {
        if (frame.t !== 'send' || frame.seq !== 2 || refusals-- <= 0) return false
        server.refuse(socket, frame.id, code, { next: 2, retryAfterMs: 200 })
        return true
      }
      const started = clock.mono()
      const sent = [1, 2, 3, 4].map((n) => watch(client.actor().send('a', n)))
      await clock.until(() => sent.every(({ state }) => state !== 'pending'))
      expect(sent.map(({ state }) => state)).toEqual(['resolved', 'resolved', 'resolved', 'resolved'])
      expect(server.actor('user/alice').entries.map(({ data }) => data)).toEqual([1, 2, 3, 4])
      expect(
        server
          .of('send')
          .filter(({ data }) => data === 2)
          .every(({ seq }) => seq === 2),
      ).toBe(true)
      expect(clock.mono() - started).toBeGreaterThanOrEqual(600)
    },
  )

  it('that lasts until the deadline rejects with its code; later sends go on without it', async () => {
    const { clock, server, client, open } = setup()
    await open()
    server.intercept = (socket, frame) => {
      if (frame.t !== 'send' || frame.data !== 'stuck') return false
      server.refuse(socket, frame.id, 'store_unavailable', { next: frame.seq })
      return true
    }
    const stuck = watch(client.actor().send('a', 'stuck'))
    const later = watch(client.actor().send('a', 'later', { timeoutMs: 60_000 }))
    await clock.run(9_900)
    expect([stuck.state, later.state]).toEqual(['pending', 'pending'])
    await clock.until(() => stuck.state === 'rejected' && later.state === 'resolved')
    expect(stuck.code).toBe('store_unavailable')
    expect(server.actor('user/alice').entries.map(({ data }) => data)).toEqual(['later'])
  })

  it('out_of_order makes the client repeat from `next`', async () => {
    const { clock, server, client, open } = setup()
    await open()
    // The second send is lost on a dying path while its successors get through (D1).
    let lose = true
    server.intercept = (socket, frame) => {
      if (frame.t !== 'send' || frame.seq !== 2 || !lose) return false
      lose = false
      server.refuse(socket, frame.id, 'timeout', {})
      return true
    }
    const sent = [1, 2, 3, 4].map((n) => watch(client.actor().send('a', n)))
    await clock.until(() => sent.every(({ state }) => state !== 'pending'))
    expect(server.actor('user/alice').entries.map(({ data }) => data)).toEqual([1, 2, 3, 4])
    expect(sent.every(({ state }) => state === 'resolved')).toBe(true)
  })
})

describe('a send without an answer', () => {
  it('rejects timeout after 10 s, keeps its number, and its successors are applied after it', async () => {
    const { clock, server, client, open } = setup()
    await open()
    let silent = true
    server.intercept = (_socket, frame) => frame.t === 'send' && frame.seq === 1 && silent
    const first = watch(client.actor().send('a', 1))
    await clock.run(10_000)
    expect(first).toMatchObject({ state: 'rejected', code: 'timeout' })
    expect(first.message).toContain('may have been applied')
    const second = watch(client.actor().send('a', 2))
    silent = false
    await clock.until(() => second.state !== 'pending')
    expect(second.state).toBe('resolved')
    expect(server.actor('user/alice').entries.map(({ data }) => data)).toEqual([1, 2])
  })

  it('with a key leaves nothing behind when it times out', async () => {
    const { clock, server, client, open } = setup()
    await open()
    server.intercept = (_socket, frame) => frame.t === 'send' && frame.key === 'k'
    const first = watch(client.actor().send('a', 1, { key: 'k' }))
    await clock.run(10_000)
    expect(first).toMatchObject({ state: 'rejected', code: 'timeout' })
    server.intercept = () => false
    const second = watch(client.actor().send('a', 2))
    await clock.until(() => second.state === 'resolved')
    await clock.run(60_000)
    expect(server.actor('user/alice').entries.map(({ data }) => data)).toEqual([2])
    const again = watch(client.actor().send('a', 1, { key: 'k' }))
    await clock.until(() => again.state === 'resolved')
    expect(server.actor('user/alice').entries.map(({ data }) => data)).toEqual([2, 1])
  })
})

describe('when the session is lost', () => {
  it('what may have been applied rejects, what has a key is repeated, what was never written goes on under new numbers', async () => {
    const { clock, server, client, open } = setup()
    server.limits = { ...server.limits, inflight: 2 }
    await open()
    const before = watch(client.actor().send('a', 'before'))
    await clock.until(() => before.state === 'resolved')
    server.replyHoldMs = () => 1_000_000
    const written = watch(client.actor().send('a', 'written'))
    const keyed = watch(client.actor().send('a', 'keyed', { key: 'k' }))
    const waiting = watch(client.actor().send('a', 'waiting'))
    await clock.run(1)
    server.ticketsVoid = true
    server.replyHoldMs = () => 0
    server.socket.cut()
    await clock.until(() => waiting.state !== 'pending' && keyed.state !== 'pending')
    expect(written).toMatchObject({ state: 'rejected', code: 'timeout' })
    expect(keyed).toMatchObject({ state: 'resolved', value: { duplicate: true } })
    expect(waiting).toMatchObject({ state: 'resolved', value: { duplicate: false } })
    expect(server.actor('user/alice').entries.map(({ data }) => data)).toEqual(['before', 'written', 'keyed', 'waiting'])
    expect(server.of('send').at(-1)).toMatchObject({ data: 'waiting', seq: 1, base: 1 })
  })

  it('what the server certainly did not apply is sent again', async () => {
    const { clock, server, client, open } = setup()
    await open()
    server.intercept = (socket, frame) => {
      if (frame.t !== 'send') return false
      server.refuse(socket, frame.id, 'overloaded', { next: 1, retryAfterMs: 5_000 })
      return true
    }
    const sent = watch(client.actor().send('a', 1))
    await clock.run(10)
    server.intercept = () => false
    server.ticketsVoid = true
    server.socket.cut()
    await clock.until(() => sent.state !== 'pending')
    expect(sent.state).toBe('resolved')
    expect(server.actor('user/alice').entries.map(({ session }) => session)).toEqual(['s2'])
  })

  it('and the token is another user’s, nothing meant for one’s own actor reaches the other’s', async () => {
    const { clock, server, client, open } = setup()
    await open()
    server.unreachable = true
    server.socket.cut()
    const own = watch(client.actor().send('a', 'secret'))
    const named = watch(client.actor('room/1').send('a', 'public'))
    await clock.run(1_000)
    server.unreachable = false
    server.ticketsVoid = true
    server.user = () => 'user/bob'
    await clock.until(() => own.state !== 'pending' && named.state !== 'pending')
    expect(own).toMatchObject({ state: 'rejected', code: 'denied' })
    expect(named.state).toBe('resolved')
    expect(server.actors.has('user/bob')).toBe(false)
  })

  it('numbers that cannot be mended end the session rather than being guessed', async () => {
    const { clock, server, client, open } = setup()
    await open()
    // 1 is written twice without an answer, then refused by rights that changed; 2, which may also be under way, keeps its number.
    server.intercept = (_socket, frame) => frame.t === 'send'
    const first = watch(client.actor().send('a', 1))
    const second = watch(client.actor().send('a', 2))
    await clock.run(10)
    server.socket.cut()
    server.intercept = (socket, frame) => {
      if (frame.t !== 'send' || frame.data !== 1) return false
      server.refuse(socket, frame.id, 'denied', {})
      return true
    }
    const third = watch(client.actor().send('a', 3))
    // As the owner has it: nothing of this session was applied, 1 is due.
    server.actor('user/alice').sources.set('s1', { last: 0, answers: new Map() })
    await clock.until(() => [first, second, third].every(({ state }) => state !== 'pending'))
    expect(first).toMatchObject({ state: 'rejected', code: 'timeout' })
    expect(second).toMatchObject({ state: 'rejected', code: 'timeout' })
    expect(third.state).toBe('resolved')
    expect(server.actor('user/alice').entries.map(({ data, session }) => [data, session])).toEqual([[3, 's2']])
  })
})

describe('numbers', () => {
  it('are not taken back by a `next` that was named before the owner took what it answered since', async () => {
    const { clock, server, client, open } = setup()
    await open()
    let refuse = true
    server.intercept = (socket, frame) => {
      if (frame.t !== 'send' || frame.seq !== 2 || !refuse) return false
      refuse = false
      server.replyHoldMs = () => 0
      server.refuse(socket, frame.id, 'overloaded', { next: 1 })
      return true
    }
    server.replyHoldMs = () => 50
    // The same content: the second under the first's number would be taken for its repeat.
    const sent = ['same', 'same'].map((data) => watch(client.actor().send('a', data)))
    await clock.until(() => sent.every(({ state }) => state !== 'pending'))
    expect(sent.map(({ value }) => [value?.offset, value?.duplicate])).toEqual([
      [1, false],
      [2, false],
    ])
  })

  it('that a lost write took after all are left to it: the send goes on under the next', async () => {
    const { clock, server, client, open } = setup()
    await open()
    // The first is under way on a connection that breaks; its repeat is denied; the second gets its number; then the first arrives.
    let late = (): void => undefined
    server.intercept = (socket, frame) => {
      late = () => server.receive(socket, frame)
      return frame.t === 'send'
    }
    const first = watch(client.actor().send('a', 'first'))
    await clock.run(10)
    const arrive = late
    server.socket.cut()
    server.intercept = (socket, frame) => {
      if (frame.t !== 'send') return false
      if (frame.data === 'second' && frame.seq === 1) {
        server.intercept = () => false
        arrive()
        return false
      }
      if (frame.data === 'second') return false
      server.refuse(socket, frame.id, 'denied')
      return true
    }
    await clock.until(() => first.state !== 'pending')
    expect(first).toMatchObject({ state: 'rejected', code: 'timeout' })
    server.actor('user/alice').sources.set('s1', { last: 0, answers: new Map() })
    const second = watch(client.actor().send('a', 'second'))
    await clock.until(() => second.state !== 'pending')
    expect(second).toMatchObject({ state: 'resolved', value: { offset: 2, duplicate: false } })
    expect(server.actor('user/alice').entries.map(({ data }) => data)).toEqual(['first', 'second'])
  })

  it('whose answer the server no longer has reject with `timeout`: used, but how is not known', async () => {
    const { clock, server, client, open } = setup()
    await open()
    server.replyHoldMs = () => 1e9
    const sent = watch(client.actor().send('a', 1))
    await clock.run(10)
    server.actor('user/alice').sources.get('s1')?.answers.clear()
    server.replyHoldMs = () => 0
    server.socket.cut()
    const next = watch(client.actor().send('a', 2))
    await clock.until(() => sent.state !== 'pending' && next.state !== 'pending')
    expect(sent).toMatchObject({ state: 'rejected', code: 'timeout' })
    expect(next).toMatchObject({ state: 'resolved', value: { offset: 2 } })
    expect(server.of('send').at(-1)).toMatchObject({ data: 2, seq: 2 })
  })

  it.each(['timeout', 'moved', 'unavailable'] as const)(
    'refused with %s without `next` may have been used: a lost session leaves that open',
    async (code) => {
      const { clock, server, client, open } = setup()
      await open()
      server.intercept = (socket, frame) => {
        if (frame.t !== 'send') return false
        server.append('user/alice', frame.type, frame.data)
        server.refuse(socket, frame.id, code, { retryAfterMs: 5_000 })
        return true
      }
      const sent = watch(client.actor().send('a', 1))
      await clock.run(100)
      server.intercept = () => false
      server.ticketsVoid = true
      server.socket.cut()
      await clock.until(() => sent.state !== 'pending')
      await clock.run(20_000)
      expect(sent).toMatchObject({ state: 'rejected', code: 'timeout' })
      expect(server.actor('user/alice').entries.length).toBe(1)
    },
  )
})

describe('close()', () => {
  it('settles everything: on its way, `timeout`; not sent, `unavailable`; and what comes after', async () => {
    const { clock, server, client, open } = setup()
    server.limits = { ...server.limits, inflight: 1 }
    await open()
    server.replyHoldMs = () => 1000
    const written = watch(client.actor().send('a', 1))
    const waiting = watch(client.actor().send('a', 2))
    const asked = watch(client.actor().query('count'))
    await clock.run(10)
    client.close()
    const after = watch(client.actor().send('a', 3))
    await clock.run(0)
    expect([written.code, waiting.code, asked.code, after.code]).toEqual(['timeout', 'unavailable', 'unavailable', 'unavailable'])
    expect(client.state).toBe('closed')
    expect(server.sockets.size).toBe(0)
    await clock.run(200_000)
    expect(clock.pending).toBe(0)
    expect(server.opened.length).toBe(1)
  })
})
