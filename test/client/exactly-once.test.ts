/**
 * Guards promise 1 on the client's side (D1, D2, D10): whatever a network does between an SDK and a server that keeps D1, each send is
 * applied at most once, exactly once if it resolved, never if it was refused, in the order of the calls, and every promise settles.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { seeded } from '../../src/base/random.ts'
import type { Sent } from '../../src/client/index.ts'
import { setup, watch, type Watched } from './setup.ts'

const ACTORS = ['user/alice', 'room/1', undefined] as const

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      to: fc.constantFrom(...ACTORS),
      type: fc.constantFrom('a', 'a', 'a', 'a', 'refuse', 'deny', 'deny-bare'),
      keyed: fc.boolean(),
      // All of the same content, so that a number or answer given to the wrong send is not found out by its content.
      same: fc.boolean(),
      timeoutMs: fc.option(fc.integer({ min: 1, max: 20_000 }), { nil: undefined, freq: 3 }),
      times: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('run' as const),
      ms: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 15_000 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unreachable' as const), ms: fc.integer({ min: 0, max: 30_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drain' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('tickets' as const), void: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('refusals' as const),
      code: fc.constantFrom('overloaded' as const, 'moved' as const, 'rate_limited' as const, 'timeout' as const),
      next: fc.boolean(),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('swallow' as const), request: fc.boolean(), count: fc.integer({ min: 1, max: 3 }) }),
  },
)

const network = fc.record({
  seed: fc.integer(),
  delayMs: fc.integer({ min: 0, max: 300 }),
  /** Frames of a dead connection may reach the server this late: after those of the next. */
  lateMs: fc.integer({ min: 0, max: 3_000 }),
  holdMs: fc.integer({ min: 0, max: 500 }),
  inflight: fc.integer({ min: 1, max: 16 }),
})

interface Record {
  readonly id: number
  readonly to: string
  readonly type: string
  readonly keyed: boolean
  readonly content: string
  readonly outcome: Watched<Sent>
}

it('each send is applied exactly once and in order, and every promise settles', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(network, fc.array(step, { minLength: 1, maxLength: 40 }), async (net, steps) => {
      const random = seeded(net.seed)
      const { clock, server, client } = setup({}, net.seed)
      server.limits = { ...server.limits, inflight: net.inflight }
      server.delayMs = () => Math.floor(random.float() * net.delayMs)
      server.lateMs = () => (random.float() < 0.05 ? Math.floor(random.float() * net.lateMs) : 0)
      server.replyHoldMs = () => Math.floor(random.float() * net.holdMs)
      let refusals: { code: 'overloaded' | 'moved' | 'rate_limited' | 'timeout'; next: boolean; count: number } | undefined
      let swallow = { request: false, count: 0 }
      server.intercept = (socket, frame) => {
        if (frame.t !== 'send' || socket.session === '') return false
        if (swallow.count > 0 && swallow.request) {
          swallow.count--
          return true
        }
        if (refusals !== undefined && refusals.count-- > 0) {
          const last = server.actor(frame.to ?? socket.actor).sources.get(socket.session)?.last ?? (frame.base ?? 1) - 1
          const next = refusals.next && frame.seq !== undefined ? { next: last + 1 } : {}
          server.refuse(socket, frame.id, refusals.code, { retryAfterMs: 20, ...next })
          return true
        }
        return false
      }
      const hold = server.replyHoldMs
      server.replyHoldMs = () => (swallow.count > 0 && !swallow.request && swallow.count-- > 0 ? 1e9 : hold())

      const sends: Record[] = []
      for (const what of steps) {
        if (what.do === 'run') await clock.run(what.ms)
        if (what.do === 'cut') for (const socket of [...server.sockets]) socket.cut()
        if (what.do === 'drain') for (const socket of server.sockets) socket.toClient({ t: 'hint', kind: 'drain', inMs: 5, spreadMs: 50 })
        if (what.do === 'tickets') server.ticketsVoid = what.void
        if (what.do === 'refusals') refusals = { ...what }
        if (what.do === 'swallow') swallow = { ...what }
        if (what.do === 'unreachable') {
          server.unreachable = true
          clock.after(what.ms, () => {
            server.unreachable = false
          })
        }
        if (what.do === 'send')
          for (let n = 0; n < what.times; n++) {
            const id = sends.length
            const content = what.same && !what.keyed ? 'same' : `#${id}`
            const outcome = watch(
              client.actor(what.to as string).send(what.type, content, {
                ...(what.keyed && { key: `key-${id}` }),
                ...(what.timeoutMs !== undefined && { timeoutMs: what.timeoutMs }),
              }),
            )
            sends.push({ id, to: what.to ?? 'user/alice', type: what.type, keyed: what.keyed, content, outcome })
          }
      }
      // The network heals.
      refusals = undefined
      swallow = { request: false, count: 0 }
      server.unreachable = false
      server.ticketsVoid = false
      server.lateMs = () => 0
      await clock.until(() => sends.every(({ outcome }) => outcome.state !== 'pending'), 600_000, 'every promise settled')
      // The numbers are sound again: a further send goes through, at the latest when answers that were swallowed are given up.
      for (let tries = 0; ; tries++) {
        const last = watch(client.actor().send('a', 'last'))
        await clock.until(() => last.state !== 'pending', 600_000, 'a send after all of it')
        if (last.state === 'resolved') break
        expect(last.code).toBe('timeout')
        expect(tries).toBeLessThan(3)
      }
      await clock.run(60_000)

      for (const to of new Set(sends.map((send) => send.to))) {
        const here = sends.filter((send) => send.to === to)
        const { entries } = server.actor(to)
        const resolved = here.filter(({ outcome }) => outcome.state === 'resolved')
        // Exactly once: each that resolved is the entry at its own offset, and no two are the same entry.
        expect(new Set(resolved.map(({ outcome }) => outcome.value?.offset)).size).toBe(resolved.length)
        for (const { outcome, content, type } of resolved) {
          expect(type).toBe('a')
          expect(entries[(outcome.value?.offset ?? 0) - 1]).toMatchObject({ data: content, type: 'a' })
        }
        // At most once, and not at all unless it resolved or may have been applied.
        const open = here.filter(({ outcome, type }) => type === 'a' && outcome.code === 'timeout')
        for (const content of new Set(entries.map(({ data }) => data as string))) {
          if (content === 'last') continue
          const applied = entries.filter(({ data }) => data === content).length
          const certain = resolved.filter((send) => send.content === content).length
          expect(applied).toBeGreaterThanOrEqual(certain)
          expect(applied).toBeLessThanOrEqual(certain + open.filter((send) => send.content === content).length)
        }
        // In order.
        const offsets = resolved.filter(({ keyed }) => !keyed).map(({ outcome }) => outcome.value?.offset as number)
        expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
        for (const { type, outcome } of here)
          if (type !== 'a') expect(['refused', 'denied', 'timeout', 'overloaded', 'moved', 'rate_limited']).toContain(outcome.code)
      }
      client.close()
    }),
    {
      numRuns: Number(process.env['CLIENT_RUNS'] ?? 250),
      ...(process.env['FC_SEED'] !== undefined && { seed: Number(process.env['FC_SEED']) }),
    },
  )
})
