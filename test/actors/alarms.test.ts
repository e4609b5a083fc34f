import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Alarms, type Alarmed } from '../../src/actors/alarms.ts'
import { actor, app } from '../../src/actors/define.ts'
import type { Timer } from '../../src/actors/memory.ts'
import type { Log } from '../../src/base/log.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { during, oneNode } from './one-node.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void
/** A turn of the event loop lets go of what weak references still hold; then everything that is not reachable goes. */
async function collect(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve))
    gc()
  }
}

const DAY_MS = 86_400_000
const quiet: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const timerAt = (due: number): Timer => ({ due, notBefore: due, type: 'x', json: 'null' })

describe('alarms (D5)', () => {
  it('each timer rings once, in the order of their times, not early and at most a second late; a cancelled one never', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ inMs: fc.nat(20_000), twice: fc.boolean() }) },
      { weight: 2, arbitrary: fc.record({ cancel: fc.nat(150) }) },
      { weight: 3, arbitrary: fc.record({ passMs: fc.nat(3000) }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const clock = new VirtualClock()
        const alarms = new Alarms(clock, quiet)
        const rung: { timer: Timer; at: number }[] = []
        const alarmed: Alarmed = { ring: (_name, timer) => void rung.push({ timer, at: clock.now() }) }
        const timers: Timer[] = []
        const cancelled = new Set<Timer>()
        for (const made of steps) {
          if ('inMs' in made) {
            const timer = timerAt(clock.now() + made.inMs)
            timers.push(timer)
            alarms.set(alarmed, 't', timer)
            if (made.twice) alarms.set(alarmed, 't', timer)
          } else if ('cancel' in made) {
            const timer = timers[made.cancel]
            if (timer === undefined) continue
            if (!rung.some((one) => one.timer === timer)) cancelled.add(timer)
            alarms.cancel(timer)
          } else clock.advance(made.passMs)
        }
        clock.advance(30_000)
        expect(rung.length).toBe(timers.length - cancelled.size)
        expect(new Set(rung.map(({ timer }) => timer)).size).toBe(rung.length)
        rung.forEach(({ timer, at }, i) => {
          expect(cancelled.has(timer)).toBe(false)
          expect(at - timer.due).toBeGreaterThanOrEqual(0)
          expect(at - timer.due).toBeLessThanOrEqual(1000)
          const before = rung[i - 1]
          if (before?.at === at) expect(before.timer.due).toBeLessThanOrEqual(timer.due)
        })
        expect(clock.pending).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  it('equal times ring in the order they were set', () => {
    const clock = new VirtualClock()
    const alarms = new Alarms(clock, quiet)
    const rung: string[] = []
    for (let i = 0; i < 100; i++) alarms.set({ ring: (name) => void rung.push(name) }, String(i), timerAt(clock.now() + 500))
    clock.advance(500)
    expect(rung).toEqual(Array.from({ length: 100 }, (_, i) => String(i)))
  })

  it('one that throws is logged, and the others ring', () => {
    const clock = new VirtualClock()
    const errors: string[] = []
    const alarms = new Alarms(clock, { ...quiet, error: (_fields, message) => void errors.push(message) })
    const rung: string[] = []
    const ring = (name: string): void => {
      if (name === 'bad') throw new Error('planted')
      rung.push(name)
    }
    for (const name of ['a', 'bad', 'b']) alarms.set({ ring }, name, timerAt(clock.now() + 10))
    clock.advance(10)
    alarms.set({ ring }, 'c', timerAt(clock.now() + 10))
    clock.advance(10)
    expect([rung, errors.length]).toEqual([['a', 'b', 'c'], 1])
  })

  it('what is set while they ring is not lost', () => {
    const clock = new VirtualClock()
    const alarms = new Alarms(clock, quiet)
    const rung: number[] = []
    const again: Alarmed = {
      ring: () => {
        rung.push(clock.mono())
        if (rung.length < 5) alarms.set(again, 't', timerAt(clock.now() + 100))
      },
    }
    alarms.set(again, 't', timerAt(clock.now() + 100))
    clock.advance(10_000)
    expect(rung).toEqual([100, 200, 300, 400, 500])
  })

  it('those that are cancelled hold no memory until they would have been due', async () => {
    const alarms = new Alarms(new VirtualClock(), quiet)
    const kept: WeakRef<Alarmed>[] = []
    for (let i = 0; i < 2000; i++) {
      const alarmed: Alarmed = { ring: () => undefined }
      const timer = timerAt(1_700_000_000_000 + 30 * DAY_MS + i)
      kept.push(new WeakRef(alarmed))
      alarms.set(alarmed, 't', timer)
      alarms.cancel(timer)
    }
    await collect()
    expect(kept.filter((ref) => ref.deref() !== undefined).length).toBeLessThanOrEqual(64)
    alarms.cancel(timerAt(0)) // still there to be asked
  })
})

describe('the memory of durable timers', () => {
  const states: WeakRef<object>[] = []
  const sleeper = actor('sleeper', {
    history: 'none',
    idleMs: 1000,
    state: () => ({ n: 0 }),
    events: {
      poke: {
        reduce: (s: { n: number }, data: { pad: number }, ctx) => {
          ctx.schedule('idle', { inMs: 30 * DAY_MS }, 'due', 'x'.repeat(data.pad))
          const next = { n: s.n + 1 }
          states.push(new WeakRef(next))
          return next
        },
      },
      due: { reduce: (s: { n: number }) => s },
    },
  })

  it('an actor that left memory is not held there by a timer that is due in a month', async () => {
    const node = oneNode(app({ actors: { sleeper } }))
    states.length = 0
    for (let i = 0; i < 300; i++) await during(node, node.send(`sleeper/${i}`, 'poke', { pad: 0 }))
    await node.clock.run(5000)
    expect(node.engine.stats().activations).toBe(0)
    await collect()
    expect(states.length).toBe(300)
    expect(states.filter((ref) => ref.deref() !== undefined).length).toBe(0)
    expect(await node.store.hints(Number.MAX_SAFE_INTEGER, 1000)).toHaveLength(300)
  })

  it('one that is set again for each event is held once', async () => {
    const node = oneNode(app({ actors: { sleeper } }))
    const poke = () => during(node, node.send('sleeper/a', 'poke', { pad: 100_000 }))
    for (let i = 0; i < 100; i++) await poke()
    await collect()
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < 400; i++) await poke()
    await collect()
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20e6) // 40 MB of data came by
  })
})
