import { describe, expect, it } from 'vitest'
import { DropTime } from '../../src/actors/drop-time.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode } from './one-node.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const A = 'counter/a'

describe('the time by which things are dropped (D3)', () => {
  it('is none until the clock has run for an hour, and then the wall clock’s', () => {
    const clock = new VirtualClock()
    const time = new DropTime(clock)
    expect(time.now()).toBe(-Infinity)
    clock.advance(HOUR - 1)
    expect(time.now()).toBe(-Infinity)
    clock.advance(1)
    expect(time.now()).toBe(clock.now())
    clock.advance(3 * DAY)
    expect(time.now()).toBe(clock.now())
  })

  it('does not jump ahead with the wall clock, unless that stays there for an hour; it goes back with it at once', () => {
    const clock = new VirtualClock()
    const time = new DropTime(clock)
    clock.advance(HOUR)
    time.now()
    clock.jumpWall(2 * DAY)
    const jumpedAt = clock.now()
    for (let minutes = 0; minutes < 59; minutes++) {
      expect(time.now()).toBe(clock.now() - 2 * DAY)
      clock.advance(60_000)
    }
    clock.jumpWall(-2 * DAY)
    expect(time.now()).toBe(clock.now())
    clock.jumpWall(2 * DAY)
    time.now()
    clock.advance(HOUR)
    expect(time.now()).toBe(clock.now())
    expect(clock.now()).toBeGreaterThan(jumpedAt)
    clock.jumpWall(-5 * DAY)
    expect(time.now()).toBe(clock.now())
  })

  it('follows a clock that is adjusted little by little', () => {
    const clock = new VirtualClock()
    const time = new DropTime(clock)
    clock.advance(HOUR)
    for (let i = 0; i < 1000; i++) {
      expect(time.now()).toBe(clock.now())
      clock.jumpWall(5000)
      clock.advance(60_000)
    }
  })
})

describe('a wall clock that is days ahead for a while', () => {
  it('drops no key and no number that is young in real time, though snapshots are written meanwhile', async () => {
    const node = oneNode(counterApp, { idleMs: 1000, snapshotEntries: 1 })
    const send = (more: object) => during(node, node.send(A, 'add', {}, more))
    await node.clock.run(2 * HOUR)
    expect(await send({ key: 'order-7' })).toMatchObject({ ok: true, offset: 1, duplicate: false })
    expect(await send({ source: 'session:s', seq: 1, base: 1 })).toMatchObject({ ok: true, offset: 2 })
    node.clock.jumpWall(3 * DAY)
    expect(await send({})).toMatchObject({ ok: true, offset: 3 })
    await node.clock.run(10_000) // out of memory, with a snapshot
    expect(await send({})).toMatchObject({ ok: true, offset: 4 })
    node.clock.jumpWall(-3 * DAY)
    await node.clock.run(10_000)
    expect(await send({ key: 'order-7' })).toMatchObject({ ok: true, offset: 1, duplicate: true })
    expect(await send({ source: 'session:s', seq: 1, base: 1 })).toMatchObject({ ok: true, offset: 2, duplicate: true })
    expect(await send({ source: 'session:s', seq: 2, base: 2 })).toMatchObject({ ok: true, offset: 5, duplicate: false })
  })

  it('neither one that is ahead when a node starts', async () => {
    const node = oneNode(counterApp, { idleMs: 1000 })
    expect(await during(node, node.send(A, 'add', {}, { key: 'order-7' }))).toMatchObject({ ok: true, offset: 1 })
    await during(node, node.engine.drain())
    node.clock.jumpWall(3 * DAY)
    const next = node.another()
    await during(next, next.send(A, 'add'))
    await next.clock.run(10_000)
    next.clock.jumpWall(-3 * DAY)
    expect(await during(next, next.send(A, 'add', {}, { key: 'order-7' }))).toMatchObject({ ok: true, offset: 1, duplicate: true })
  })

  it('what was not used for a day is forgotten all the same (dedupeTtlMs)', async () => {
    const node = oneNode(counterApp, { idleMs: 1000 })
    await node.clock.run(2 * HOUR)
    await during(node, node.send(A, 'add', {}, { key: 'order-7' }))
    await node.clock.run(DAY + HOUR)
    await during(node, node.send(A, 'add'))
    await node.clock.run(10_000)
    expect(await during(node, node.send(A, 'add', {}, { key: 'order-7' }))).toMatchObject({ ok: true, offset: 3, duplicate: false })
  })
})
