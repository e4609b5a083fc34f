/** The simulated store keeps the duties of the port (S1–S8) when it is well, and says the truth when it is not. */
import { expect, test } from 'vitest'
import { seeded } from '../../src/base/random.ts'
import { sealBatch } from '../../src/actors/batch.ts'
import { StoreError, type Append } from '../../src/store/store.ts'
import { storeContract } from '../store/contract.ts'
import { SimData } from './sim-data.ts'
import { NO_FAULTS, SimStore, type Carrier, type StoreFaults } from './sim-store.ts'

/** A carrier without a world: everything happens when the event loop comes round. */
const AT_ONCE: Carrier = {
  by: 'test',
  later: (_ms, run) => void setImmediate(run),
  deliver: (run) => run(),
  settled: () => undefined,
  proposed: () => undefined,
  heard: () => undefined,
}

function open(faults: Partial<StoreFaults> = {}, data: SimData = new SimData(() => 0)): { store: SimStore; data: SimData } {
  return { store: new SimStore(data, { ...NO_FAULTS, ...faults }, seeded('store'), AT_ONCE), data }
}

function append(actor: string, n: number, mark: number, more: Partial<Append> = {}): Append {
  const commitId = new Uint8Array(16).fill(mark)
  const sealed = sealBatch({ flags: 0, n, epoch: 1, firstOffset: n, entries: 1, commitId, previous: null }, '{"e":[["t",null,0,"s"]]}')
  return { actor, n, commitId, ...sealed, firstOffset: n, entries: 1, mode: 'append', prevRef: 0, hintDue: null, ...more }
}

const group = (...appends: Append[]): Parameters<SimStore['commit']>[0] => ({ appends, snapshots: [], dropHints: [], trims: [] })

storeContract('the simulated store', () => {
  const data = new SimData(() => 0)
  return Promise.resolve({ connect: () => Promise.resolve(open({}, data).store), remove: () => Promise.resolve() })
})

test('S4: hints go with their batch, or before it; never after', async () => {
  const atomic = open()
  await atomic.store.commit(group(append('a/1', 1, 1, { hintDue: 5 }), append('a/2', 2, 2, { hintDue: 5 })))
  expect((await atomic.store.hints(9, 10)).map(({ actor }) => actor)).toEqual(['a/1'])
  const piecewise = open({ piecewise: true })
  await piecewise.store.commit(group(append('a/1', 1, 1, { hintDue: 5 }), append('a/2', 2, 2, { hintDue: 5 })))
  expect((await piecewise.store.hints(9, 10)).map(({ actor }) => actor)).toEqual(['a/1', 'a/2'])
})

test('S7: a refused group is not applied; an unknown one may be', async () => {
  const refused = open({ refused: 1 })
  await expect(refused.store.commit(group(append('a/1', 1, 1)))).rejects.toMatchObject({ outcome: 'refused' })
  expect(refused.data.newestOf('a/1')).toBe(0)
  const after = open({ unknownAfter: 1 })
  const error: unknown = await after.store.commit(group(append('a/1', 1, 1))).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(StoreError)
  expect(error).toMatchObject({ outcome: 'unknown' })
  expect(after.data.newestOf('a/1')).toBe(1)
})
