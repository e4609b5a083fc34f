/** A few faults of each kind on a cluster of real processes: the long run is `npm run faults` (docs/faults.md). */
import { expect, test } from 'vitest'
import { run } from './run.ts'

const SEED = 7

test(`ten faults under load, seed ${SEED}: nothing acknowledged is lost or doubled, reads are true, followers end at the newest`, async () => {
  const { ledger, entries } = await run({
    seed: SEED,
    faults: 10,
    minutes: 1,
    nodes: 3,
    groups: ['kill', 'freeze', 'drain'],
    namespaces: false,
    paceMs: 700,
    shape: { users: 1, services: 1, hotActors: 6, coldActors: 60, tallies: 2, thinkMs: 60 },
  })
  expect(ledger.violations).toEqual([])
  // It did something.
  expect(ledger.hits.faults).toBeGreaterThan(0)
  expect(ledger.sends.filter(({ endedMs }) => endedMs !== null).length).toBeGreaterThan(20)
  expect(entries).toBeGreaterThan(20)
  // The run has bounds of its own, each with its own words.
}, 600_000)
