/** A snapshot is only a shortcut, and may be given up. What it carried of sender actors' numbers must not be lost to the next one (D3, J5). */
import { describe, expect, it } from 'vitest'
import { Committer } from '../../src/actors/committer.ts'
import { Counters } from '../../src/actors/counters.ts'
import type { Host } from '../../src/actors/host.ts'
import { silentLog } from '../../src/base/log.ts'
import { seeded } from '../../src/base/random.ts'
import { resolveOptions } from '../../src/options.ts'
import type { StoreCall } from '../../src/store/memory.ts'
import type { CommitGroup, SnapshotWrite } from '../../src/store/store.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { counterApp } from './counter-app.ts'
import { during, oneNode, type OneNode } from './one-node.ts'

const A = 'counter/a'
const isSnapshotAlone = (call: StoreCall): boolean =>
  call.op === 'commit' && call.group.appends.length === 0 && call.group.snapshots.length > 0

function hear(node: OneNode, seq: number): Promise<unknown> {
  const source = 'actor:counter/z'
  return during(node, node.send(A, 'hear', { what: `${seq}` }, { source, sender: source, seq, base: seq }))
}

describe('the numbers of sender actors', () => {
  it('survive a snapshot that is given up', async () => {
    const one = oneNode(counterApp, { snapshotEntries: 2, storeRetryMs: 20 })
    let snapshots = 0
    one.fault = (call) => (isSnapshotAlone(call) && snapshots++ === 0 ? { kind: 'unknown-before' } : null)
    await hear(one, 1)
    await hear(one, 2) // its snapshot brings the page of the sender, and is lost
    await one.clock.run(1000)
    await during(one, Promise.all(Array.from({ length: 4 }, () => one.send(A, 'add'))))
    await one.clock.run(1000)
    expect(snapshots).toBeGreaterThan(1)
    expect((await one.store.load(A))?.snapshot?.n).toBeGreaterThan(2)
    one.engine.kill()
    const two = one.another()
    expect(await hear(two, 2)).toMatchObject({ ok: true, duplicate: true })
    expect(await during(two, two.query(A, 'heard'))).toMatchObject({ json: '["actor:counter/z 1","actor:counter/z 2"]' })
  })
})

describe('the committer', () => {
  const page = (text: string): Uint8Array => Buffer.from(text)
  const snapshot = (n: number, pages: [number, Uint8Array][]): SnapshotWrite => ({
    actor: A,
    n,
    hash: new Uint8Array(32),
    bytes: new Uint8Array(100_000),
    offset: n,
    ref: 0,
    pages: new Map(pages),
  })

  it('gives the pages of a snapshot that it gives up to the one that waits behind it; where none waits it says so', async () => {
    const clock = new VirtualClock()
    const groups: CommitGroup[] = []
    const store = {
      commit: (group: CommitGroup) => {
        groups.push(group)
        return groups.length === 1 ? Promise.reject(new Error('planted')) : Promise.resolve({ verdicts: [], ref: 1 })
      },
    }
    const options = resolveOptions({ commitBytes: 64 * 1024 }) // one snapshot a group
    const host = { clock, store, options, counters: new Counters(), log: silentLog, random: seeded('c'), dead: false } as unknown as Host
    const committer = new Committer(host)
    const lost: number[] = []
    const give = (n: number, pages: [number, Uint8Array][]): void => committer.snapshot(snapshot(n, pages), () => lost.push(n))
    give(5, [
      [1, page('old')],
      [2, page('kept')],
    ])
    give(7, [[1, page('new')]])
    await clock.run(10_000)
    const [, second] = groups
    expect([groups.length, lost, second?.snapshots.map(({ n }) => n)]).toEqual([2, [], [7]])
    const pages = [...(second?.snapshots[0]?.pages ?? [])].map(([number, bytes]) => [number, Buffer.from(bytes).toString()])
    expect(pages).toEqual([
      [1, 'new'],
      [2, 'kept'],
    ])
    groups.length = 0
    give(9, [[3, page('x')]])
    await clock.run(10_000)
    expect(lost).toEqual([9])
    expect(committer.idle).toBe(true)
  })
})
