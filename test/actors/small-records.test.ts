import { describe, expect, it } from 'vitest'
import { Dedupe } from '../../src/actors/dedupe.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

const send = (node: OneNode, actor: string, key: string) => during(node, node.send(actor, 'add', {}, { key }))

describe('an actor without history', () => {
  it('remembers each key for some minutes, and then only the newest: its record, written whole with each event, stays small', async () => {
    const node = oneNode(counterApp, { recordKeysKept: 10, recordKeysMs: 30_000, idleMs: 3_600_000 })
    const bytes = async (): Promise<number> => (await node.store.load('head/a'))?.snapshot?.bytes.length ?? -1
    for (let i = 0; i < 200; i++) {
      await send(node, 'head/a', `u:order-${i}`)
      expect(await send(node, 'head/a', `u:order-${Math.max(0, i - 29)}`)).toMatchObject({ offset: Math.max(1, i - 28), duplicate: true })
      await node.clock.run(1000)
    }
    expect(await bytes()).toBeLessThan(3000)
    expect(await send(node, 'head/a', 'u:order-150')).toMatchObject({ ok: true, offset: 201, duplicate: false })
    node.clock.jumpWall(24 * 3_600_000)
    expect(await send(node, 'head/a', 'u:order-190')).toMatchObject({ ok: true, offset: 191, duplicate: true })
    await node.clock.run(60_000)
    expect(await send(node, 'head/a', 'u:order-198')).toMatchObject({ ok: true, offset: 199, duplicate: true })
    await send(node, 'head/a', 'u:last')
    expect(await send(node, 'head/a', 'u:order-196')).toMatchObject({ ok: true, offset: 197, duplicate: true })
    expect(await bytes()).toBeLessThan(1000)
  })

  it('one with history keeps them as it did: its batches do not hold them', async () => {
    const node = oneNode(counterApp, { recordKeysKept: 10, recordKeysMs: 1000 })
    for (let i = 0; i < 200; i++) await send(node, 'counter/a', `u:order-${i}`)
    await node.clock.run(5000)
    await send(node, 'counter/a', 'u:last')
    expect(await send(node, 'counter/a', 'u:order-0')).toMatchObject({ ok: true, offset: 1, duplicate: true })
  })

  it('that was written under a higher limit is cut to this one when it is read', () => {
    const limits = { answersKept: 1, keysKept: 100, dedupeTtlMs: 60_000 }
    const dedupe = new Dedupe(limits)
    for (let i = 0; i < 100; i++) dedupe.remember(`u:${i}`, { seq: 0, content: 1, offset: i + 1, refusal: null }, 0)
    const cut = Dedupe.restore({ ...limits, keysKept: 10 }, dedupe.snapshot(true), new Map())
    expect(cut?.snapshot(true).k.map(([key]) => key)).toEqual(Array.from({ length: 10 }, (_, i) => `u:${90 + i}`))
  })

  it('never keeps more than any other actor', async () => {
    const node = oneNode(counterApp, { keysKept: 5, recordKeysKept: 50 })
    for (let i = 0; i < 8; i++) await send(node, 'head/a', `u:${i}`)
    expect(await send(node, 'head/a', 'u:0')).toMatchObject({ ok: true, duplicate: false })
    expect(await send(node, 'head/a', 'u:7')).toMatchObject({ ok: true, duplicate: true })
  })
})
