/** What every Transport owes (duties T1–T7 of src/cluster/transport.ts). One suite, run on each adapter. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WIRE_BUFFER_BYTES, type Transport } from '../../src/cluster/transport.ts'
import { Ears, type Ear } from './ear.ts'

export interface ContractNode {
  readonly transport: Transport
  readonly address: string
}

export interface ContractNet {
  node(id: string, given?: { readonly cluster?: string; readonly secret?: string; readonly generation?: number }): Promise<ContractNode>
  /** Lets what is under way happen until it holds; fails after a bounded while. */
  until(done: () => boolean, what: string): Promise<void>
  /** An address where nothing listens. */
  readonly nowhere: string
  /** Nothing sent to the node is read, and nothing comes from it, until `thaw`. */
  freeze(id: string): void
  thaw(id: string): void
  /** What listens for that node is gone at once, with all connections to it. */
  kill(id: string): void
  /** How long silence may go unnoticed here. */
  readonly idleMs: number
  mono(): number
  close(): Promise<void>
}

export function transportContract(name: string, make: () => Promise<ContractNet>): void {
  describe(`${name} keeps the duties of a transport`, () => {
    let net: ContractNet
    let ears: Ears

    beforeEach(async () => {
      net = await make()
      ears = new Ears()
    })

    afterEach(async () => {
      await net.close()
      ears.check()
    })

    async function joined(): Promise<{ a: ContractNode; b: ContractNode; dialled: Ear; accepted: Ear }> {
      const [a, b] = [await net.node('a'), await net.node('b', { generation: 7 })]
      const taken = ears.listen(b.transport)
      const dialled = ears.dial(a.transport, b.address)
      await net.until(() => dialled.peer !== null && taken[0]?.peer !== null && taken.length === 1, 'both ends opened')
      return { a, b, dialled, accepted: taken[0] as Ear }
    }

    it('T3 each end is told who the other is', async () => {
      const { a, b, dialled, accepted } = await joined()
      expect(dialled.peer).toEqual({ id: 'b', generation: 7, address: b.address })
      expect(accepted.peer).toEqual({ id: 'a', generation: 1, address: a.address })
      expect(accepted.channel).toBe('data')
    })

    it('T1 messages arrive whole, in order, once, both ways at once: 10,000 each', async () => {
      const { dialled, accepted } = await joined()
      const [there, back]: [number[], number[]] = [[], []]
      accepted.onMessage = (bytes) => there.push(Buffer.from(bytes).readUInt32LE(bytes.length - 4))
      dialled.onMessage = (bytes) => back.push(Buffer.from(bytes).readUInt32LE(bytes.length - 4))
      const numbers = Array.from({ length: 10_000 }, (_, i) => i)
      for (const i of numbers) {
        // Lengths around the borders of the length's own encoding.
        const message = Buffer.alloc(4 + (i % 300))
        message.writeUInt32LE(i, message.length - 4)
        dialled.send(message)
        accepted.send(message)
      }
      await net.until(() => there.length >= 10_000 && back.length >= 10_000, 'all arrived')
      expect(there).toEqual(numbers)
      expect(back).toEqual(numbers)
      await net.until(() => dialled.wire?.bufferedBytes === 0 && accepted.wire?.bufferedBytes === 0, 'nothing waits any more')
    })

    it('T1 large messages and empty ones arrive as they were', async () => {
      const { dialled, accepted } = await joined()
      const sent = [0, 1, 127, 128, 16_384, 1024 * 1024, 4 * 1024 * 1024, 0].map((length) => Buffer.alloc(length, length % 251))
      dialled.send(...sent)
      accepted.send(...sent)
      await net.until(() => accepted.messages.length === sent.length && dialled.messages.length === sent.length, 'all arrived')
      for (const { messages } of [dialled, accepted])
        expect(messages.map((bytes, i) => Buffer.from(bytes).equals(sent[i] as Buffer))).toEqual(sent.map(() => true))
    })

    it('T4 what is sent before it is open waits, and goes first', async () => {
      const [a, b] = [await net.node('a'), await net.node('b')]
      const taken = ears.listen(b.transport, (ear) => (ear.onOpened = () => ear.wire?.send(Buffer.from('hi'))))
      const dialled = ears.dial(a.transport, b.address)
      dialled.onOpened = () => dialled.wire?.send(Buffer.from('three'))
      dialled.send('one', 'two')
      expect(dialled.wire?.bufferedBytes).toBeGreaterThanOrEqual(6)
      await net.until(() => taken[0]?.messages.length === 3 && dialled.messages.length === 1, 'all arrived')
      expect(taken[0]?.texts).toEqual(['one', 'two', 'three'])
      expect(dialled.texts).toEqual(['hi'])
    })

    it('a close by the dialler comes after what it sent; both ends are told closed', async () => {
      const { dialled, accepted } = await joined()
      dialled.send('last', Buffer.alloc(1024 * 1024))
      dialled.close()
      dialled.close()
      dialled.send('never')
      await net.until(() => dialled.end !== null && accepted.end !== null, 'both ends are told')
      expect([dialled.end, accepted.end]).toEqual(['closed', 'closed'])
      expect(accepted.messages.map((bytes) => bytes.length)).toEqual([4, 1024 * 1024])
    })

    it('a close by the listener does too', async () => {
      const { dialled, accepted } = await joined()
      accepted.send('last', Buffer.alloc(1024 * 1024))
      accepted.close()
      await net.until(() => dialled.end !== null && accepted.end !== null, 'both ends are told')
      expect([dialled.end, accepted.end]).toEqual(['closed', 'closed'])
      expect(dialled.messages.map((bytes) => bytes.length)).toEqual([4, 1024 * 1024])
    })

    it('closes at both ends at once are two closes', async () => {
      const { dialled, accepted } = await joined()
      dialled.close()
      accepted.close()
      await net.until(() => dialled.end !== null && accepted.end !== null, 'both ends are told')
      expect([dialled.end, accepted.end]).toEqual(['closed', 'closed'])
    })

    it('a wire closed while it is dialled still delivers what was sent', async () => {
      const [a, b] = [await net.node('a'), await net.node('b')]
      const taken = ears.listen(b.transport)
      const dialled = ears.dial(a.transport, b.address)
      dialled.send('one')
      dialled.close()
      await net.until(() => dialled.end !== null && taken[0]?.end !== null && taken.length === 1, 'both ends are told')
      expect([dialled.end, taken[0]?.end, taken[0]?.texts]).toEqual(['closed', 'closed', ['one']])
    })

    it('a message may close the wire it came on', async () => {
      const { dialled, accepted } = await joined()
      accepted.onMessage = (bytes) => {
        accepted.messages.push(bytes)
        accepted.close()
      }
      dialled.send('one', 'two', 'three')
      await net.until(() => dialled.end !== null && accepted.end !== null, 'both ends are told')
      expect(accepted.texts).toEqual(['one'])
    })

    it('where nothing listens the end is refused, each time', async () => {
      const a = await net.node('a')
      for (let times = 0; times < 3; times++) {
        const ear = ears.dial(a.transport, net.nowhere)
        ear.send('lost')
        await net.until(() => ear.end !== null, 'it is told')
        expect([ear.end, ear.peer]).toEqual(['refused', null])
      }
    })

    it('a dial succeeds as soon as somebody listens, whatever came before', async () => {
      const [a, b] = [await net.node('a'), await net.node('b')]
      const early = ears.dial(a.transport, b.address)
      await net.until(() => early.end !== null, 'it is told')
      expect(early.end).toBe('unreachable')
      ears.listen(b.transport)
      const later = ears.dial(a.transport, b.address)
      await net.until(() => later.peer !== null, 'it opens')
    })

    it('T3 another cluster is denied, and both ends know why', async () => {
      const [a, b] = [await net.node('a', { cluster: 'red' }), await net.node('b', { cluster: 'blue' })]
      const taken = ears.listen(b.transport)
      const dialled = ears.dial(a.transport, b.address)
      await net.until(() => dialled.end !== null && taken[0]?.end !== null && taken.length === 1, 'both ends are told')
      expect([dialled.end, taken[0]?.end, dialled.peer, taken[0]?.peer]).toEqual(['denied', 'denied', null, null])
      for (const why of [dialled.why, taken[0]?.why]) {
        expect(why).toContain('"red"')
        expect(why).toContain('"blue"')
      }
    })

    it('T3 another secret is denied, and nothing sent is delivered', async () => {
      const [a, b] = [await net.node('a', { secret: 'the secret of one cluster' }), await net.node('b', { secret: 'that of another one' })]
      const taken = ears.listen(b.transport)
      const dialled = ears.dial(a.transport, b.address)
      dialled.send('payload')
      await net.until(() => dialled.end !== null && taken[0]?.end !== null && taken.length === 1, 'both ends are told')
      expect([dialled.end, taken[0]?.end, taken[0]?.peer, taken[0]?.messages.length]).toEqual(['denied', 'denied', null, 0])
      for (const why of [dialled.why, taken[0]?.why]) {
        expect(why).toContain('secret')
        expect(why).not.toContain('of one cluster')
        expect(why).not.toContain('of another')
      }
    })

    it('T3 the same secret opens', async () => {
      const secret = 'a secret that both have'
      const [a, b] = [await net.node('a', { secret }), await net.node('b', { secret })]
      ears.listen(b.transport)
      const dialled = ears.dial(a.transport, b.address)
      await net.until(() => dialled.peer !== null, 'it opens')
    })

    it('T3 a wire to oneself, or to a node of the same name, is denied', async () => {
      const [a, again] = [await net.node('a'), await net.node('a', { generation: 2 })]
      ears.listen(a.transport)
      ears.listen(again.transport)
      const own = ears.dial(a.transport, a.address)
      const namesake = ears.dial(a.transport, again.address)
      await net.until(() => own.end !== null && namesake.end !== null, 'both are told')
      expect([own.end, namesake.end]).toEqual(['denied', 'denied'])
      expect(own.why).toContain('itself')
      expect(namesake.why).toContain('two processes are named a')
    })

    it('a node that is gone mid-stream ends the wire lost, with a prefix of what was sent; then it is refused', async () => {
      const { a, b, dialled, accepted } = await joined()
      const numbers = Array.from({ length: 200 }, (_, i) => String(i))
      dialled.send(...numbers)
      await net.until(() => accepted.messages.length > 10, 'some arrived')
      net.kill('b')
      await net.until(() => dialled.end !== null, 'it is told')
      expect(dialled.end).toBe('lost')
      expect(accepted.texts).toEqual(numbers.slice(0, accepted.messages.length))
      const next = ears.dial(a.transport, b.address)
      await net.until(() => next.end !== null, 'it is told')
      expect(next.end).toBe('refused')
    })

    it('T4 a node that reads nothing ends the wire overflow; sending neither blocks nor throws', async () => {
      const { dialled, accepted } = await joined()
      net.freeze('b')
      const message = Buffer.alloc(1024 * 1024)
      let most = 0
      // What the connection itself takes in is not counted: some more than the bound.
      for (let i = 0; i < 2 * (WIRE_BUFFER_BYTES / message.length) && dialled.end === null; i++) {
        dialled.send(message)
        most = Math.max(most, dialled.wire?.bufferedBytes ?? 0)
      }
      await net.until(() => dialled.end !== null, 'it is told')
      expect(dialled.end).toBe('overflow')
      expect(most).toBeGreaterThan(WIRE_BUFFER_BYTES / 2)
      expect(most).toBeLessThanOrEqual(WIRE_BUFFER_BYTES)
      dialled.send('ignored')
      expect(dialled.wire?.bufferedBytes).toBe(0)
      net.thaw('b')
      await net.until(() => accepted.end !== null, 'the other end is told')
      expect(accepted.end).toBe('lost')
      expect(dialled.wire?.bufferedBytes).toBe(0)
    })

    it('T4 a message over the limit ends the wire overflow, from either end', async () => {
      for (const side of ['dialled', 'accepted'] as const) {
        const pair = await joined()
        pair[side].send(Buffer.alloc(4 * 1024 * 1024 + 1))
        await net.until(() => pair.dialled.end !== null && pair.accepted.end !== null, 'both ends are told')
        expect(pair[side].end).toBe('overflow')
        expect(pair[side === 'dialled' ? 'accepted' : 'dialled'].end).toBe('lost')
        net.kill('a')
        net.kill('b')
      }
    })

    it('T5 T6 a wire that is not read delays neither the other channel nor another node', async () => {
      const { a, b, dialled } = await joined()
      const c = await net.node('c')
      const [atB, atC] = [ears.listen(b.transport), ears.listen(c.transport)]
      const gossip = ears.dial(a.transport, b.address, 'gossip')
      const other = ears.dial(a.transport, c.address)
      await net.until(() => gossip.peer !== null && other.peer !== null, 'all open')
      for (let i = 0; i < 40; i++) dialled.send(Buffer.alloc(1024 * 1024))
      gossip.send('probe')
      other.send('hello')
      await net.until(() => atB[0]?.messages.length === 1 && atC[0]?.messages.length === 1, 'the others arrived')
      expect(atB[0]?.channel).toBe('gossip')
      expect([atB[0]?.texts, atC[0]?.texts]).toEqual([['probe'], ['hello']])
    })

    it('T7 a node that says nothing any more is lost within the bound, at both ends; a quiet one is not', async () => {
      const { a, dialled, accepted } = await joined()
      const c = await net.node('c')
      ears.listen(c.transport)
      const quiet = ears.dial(a.transport, c.address)
      await net.until(() => quiet.peer !== null, 'it opens')
      const from = net.mono()
      net.freeze('b')
      await net.until(() => dialled.end !== null, 'the silence is found')
      expect(dialled.end).toBe('lost')
      // Half as much again, for a machine that is busy.
      expect(net.mono() - from).toBeLessThanOrEqual(net.idleMs * 1.5)
      net.thaw('b')
      await net.until(() => accepted.end !== null, 'the other end finds it too')
      expect(accepted.end).toBe('lost')
      const until = net.mono() + 2 * net.idleMs
      await net.until(() => net.mono() >= until, 'twice as long')
      expect(quiet.end).toBeNull()
    })

    it('a dial to a node that says nothing ends unreachable', async () => {
      const [a, b] = [await net.node('a'), await net.node('b')]
      ears.listen(b.transport)
      net.freeze('b')
      const dialled = ears.dial(a.transport, b.address)
      await net.until(() => dialled.end !== null, 'it is told')
      expect(dialled.end).toBe('unreachable')
    })

    it('many wires at once, each with its own stream', async () => {
      const [a, b] = [await net.node('a'), await net.node('b')]
      const taken = ears.listen(b.transport, (ear) => (ear.onMessage = (bytes) => ear.wire?.send(bytes)))
      const dialled = Array.from({ length: 50 }, (_, i) => ears.dial(a.transport, b.address, i % 2 === 0 ? 'data' : 'gossip'))
      for (const [i, ear] of dialled.entries()) ear.send(`wire ${i}`, 'end')
      await net.until(() => dialled.every((ear) => ear.messages.length === 2), 'all answered')
      expect(dialled.map((ear) => ear.texts)).toEqual(dialled.map((_, i) => [`wire ${i}`, 'end']))
      for (const ear of dialled) ear.close()
      await net.until(() => [...dialled, ...taken].every((ear) => ear.end === 'closed'), 'all closed')
    })

    it('become: open wires close, and the next are of the new generation, both ways', async () => {
      const { a, b, dialled, accepted } = await joined()
      const atA = ears.listen(a.transport)
      a.transport.become({ id: 'a', generation: 2, address: a.address })
      await net.until(() => dialled.end !== null && accepted.end !== null, 'both ends are told')
      expect([dialled.end, accepted.end]).toEqual(['closed', 'closed'])
      const taken = ears.listen(b.transport)
      const again = ears.dial(a.transport, b.address)
      const back = ears.dial(b.transport, a.address)
      await net.until(() => taken[0]?.peer !== null && taken.length === 1 && again.peer !== null && back.peer !== null, 'they open')
      expect([taken[0]?.peer?.generation, back.peer?.generation, atA[0]?.peer?.generation]).toEqual([2, 2, 7])
    })

    it('close ends everything, also what is frozen or being dialled, and nothing is taken afterwards', async () => {
      const { a, b, dialled, accepted } = await joined()
      const c = await net.node('c')
      ears.listen(c.transport)
      net.freeze('c')
      const hanging = ears.dial(b.transport, c.address)
      let closed = false
      void b.transport.close().then(() => (closed = true))
      await net.until(() => closed && dialled.end !== null && accepted.end !== null && hanging.end !== null, 'all is over')
      expect([dialled.end, accepted.end, hanging.end]).toEqual(['closed', 'closed', 'closed'])
      const late = ears.dial(a.transport, b.address)
      const from = ears.dial(b.transport, a.address)
      await net.until(() => late.end !== null && from.end !== null, 'both are told')
      expect(['refused', 'unreachable']).toContain(late.end)
      expect(from.end).toBe('closed')
    })
  })
}
