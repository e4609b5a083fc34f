/**
 * Every property on MongoDB's layout: the production store, its documents on a simulated replica set that loses primaries, rolls back, answers late or never
 * (mongo-set.ts). More: `npm run sim -- --store mongodb --seeds 500`, `--kind cluster`.
 */
import { expect, test } from 'vitest'
import { runSeeds } from './pool.ts'
import { failureText } from './report.ts'
import type { RunAsked } from './run.ts'
import { Tally } from './tally.ts'

const FIRST_SEED = 1_010
const ENGINE_SEEDS = 24
const CLUSTER_SEEDS = 6

/** What is not exercised is not tested. */
const RARE = [
  'fenced',
  'inDoubt',
  'settled',
  'duplicates',
  'claimsTakenOver',
  'mongo inDoubt',
  'mongo settled',
  'mongo taken',
  'mongo late effect',
  'mongo primary lost',
  'mongo primary cut off',
  'mongo deposed primary asked',
  'mongo rolled back',
]

function* seeds(): Generator<Pick<RunAsked, 'seed' | 'kind' | 'store'>> {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + CLUSTER_SEEDS; seed++) yield { seed, kind: 'cluster', store: 'mongodb' }
  for (let seed = FIRST_SEED; seed < FIRST_SEED + ENGINE_SEEDS; seed++) yield { seed, kind: 'engine', store: 'mongodb' }
}

test(`${ENGINE_SEEDS} engine and ${CLUSTER_SEEDS} cluster seeds on MongoDB keep every property`, { timeout: 1_800_000 }, async () => {
  const tally = new Tally()
  const { failed } = await runSeeds({
    seeds: seeds(),
    minutes: 1,
    workers: 2,
    stopAtFirst: true,
    patienceMs: 300_000,
    progress: (result, asked) => tally.add(result, asked),
  })
  const [first] = failed
  expect(first === undefined ? '' : failureText(first.result, first.asked)).toBe('')
  expect(RARE.filter((name) => tally.count(name) === 0)).toEqual([])
})
