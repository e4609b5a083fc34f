/** A snapshot is only a shortcut, and may be given up. What it carried of sender actors' numbers must not be lost to the next one (D3, J5). */
import { describe, expect, it } from 'vitest'
import { Committer, type Committable } from '../../src/actors/committer.ts'
import { Counters } from '../../src/actors/counters.ts'
import type { Host } from '../../src/actors/host.ts'
import { silentLog } from '../../src/base/log.ts'
import { seeded } from '../../src/base/random.ts'
import { resolveOptions } from '../../src/options.ts'
import type { StoreCall } from '../../src/store/memory.ts'
import type { Append, CommitGroup, SnapshotWrite } from '../../src/store/store.ts'
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
        if (groups.length > 1) return Promise.resolve({ verdicts: [], ref: 1 })
        return new Promise((_, reject) => clock.after(10, () => reject(new Error('planted'))))
      },
    }
    const options = resolveOptions({ commitBytes: 64 * 1024 }) // one snapshot a group
    const host = { clock, store, options, counters: new Counters(), log: silentLog, random: seeded('c'), dead: false } as unknown as Host
    const committer = new Committer(host)
    const lost: number[] = []
    const give = (n: number, pages: [number, Uint8Array][]): void => committer.snapshot(snapshot(n, pages), (gone) => lost.push(...gone))
    give(5, [
      [1, page('old')],
      [2, page('kept')],
    ])
    await clock.run(5) // it is in flight
    give(6, [[4, page('older')]])
    give(7, [[1, page('new')]])
    await clock.run(10_000)
    const [, second] = groups
    expect([groups.length, lost, second?.snapshots.map(({ n }) => n)]).toEqual([2, [], [7]])
    const pages = [...(second?.snapshots[0]?.pages ?? [])].map(([number, bytes]) => [number, Buffer.from(bytes).toString()])
    expect(pages).toEqual([
      [1, 'new'],
      [2, 'kept'],
      [4, 'older'],
    ])
    groups.length = 0
    give(9, [[3, page('x')]])
    await clock.run(10_000)
    expect(lost).toEqual([3])
    expect(committer.idle).toBe(true)
  })

  it.each([
    [1000, 64, 'few, while little waits'],
    [60_000, 140, 'as many as a commit’s bytes hold, while 8 MiB and more wait'],
  ])('keeps one snapshot of each actor; of %i bytes %i ride beside batches: %s', async (bytes, ride) => {
    const clock = new VirtualClock()
    const groups: CommitGroup[] = []
    const store = {
      commit: (group: CommitGroup) => {
        groups.push(group)
        return Promise.resolve({ verdicts: group.appends.map(() => 'committed' as const), ref: 1 })
      },
    }
    const options = resolveOptions()
    const host = { clock, store, options, counters: new Counters(), log: silentLog, random: seeded('c'), dead: false } as unknown as Host
    const committer = new Committer(host)
    const one = { ...snapshot(1, []), bytes: new Uint8Array(bytes) }
    let batches = 0
    // 300 actors of which every batch brings a snapshot.
    const members = Array.from({ length: 300 }, (_, i) => {
      const member: Committable = {
        seal: () => ({ actor: `x/${i}`, n: 1, bytes: new Uint8Array(10) }) as unknown as Append,
        verdict: () => {
          committer.snapshot({ ...one, actor: `x/${i}` }, () => undefined)
          if (batches++ < 9000) committer.mark(member)
        },
      }
      return member
    })
    for (const member of members) committer.mark(member)
    await clock.run(10_000)
    for (const { snapshots } of groups) expect(new Set(snapshots.map(({ actor }) => actor)).size).toBe(snapshots.length)
    expect(groups[0]?.snapshots).toHaveLength(0)
    for (const { snapshots } of groups.slice(1, 30)) expect(snapshots).toHaveLength(ride)
    expect(groups.length).toBeGreaterThan(30)
    expect(committer.idle).toBe(true)
  })
})
