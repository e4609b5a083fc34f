/** Scenarios: parts of what a seed drew. fast-check draws some, and shrinks those that fail; `--shrink` uses the same parts. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { failureText } from './report.ts'
import { runSeed, type RunAsked, type RunResult } from './run.ts'
import { allTraits, readScenario, type Scenario, type Scope } from './scenario.ts'
import { shrink } from './shrink.ts'
import type { SeedKind } from './swarm.ts'

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
const ACTS = ['quiet', 'send', 'later', 'cancel', 'refuse', 'boom', 'repeat', 'conflict', 'renew', 'burst', 'query', 'history']
const SEED_MAX = 1_000_000

test('whatever is left out of what a seed drew, every property holds', { timeout: 600_000 }, async () => {
  const scenario = fc.record({
    ms: fc.integer({ min: 2000, max: 40_000 }),
    traits: fc.subarray(allTraits(ACTS)),
    nodes: fc.integer({ min: 1, max: 5 }),
    clients: fc.integer({ min: 1, max: 4 }),
    subscribers: fc.integer({ min: 0, max: 5 }),
  })
  const kinds = fc.constantFrom<SeedKind>('engine', 'engine', 'cluster')
  const holds = async (seed: number, kind: SeedKind, drawn: Scenario): Promise<void> => {
    const asked = { minutes: 1, kind, scenario: drawn }
    expect(failureText(await runSeed({ seed, ...asked }), asked)).toBe('')
  }
  await fc.assert(fc.asyncProperty(fc.noShrink(fc.integer({ min: 1, max: SEED_MAX })), kinds, scenario, holds), { numRuns: 25, seed: 4711 })
})

test.each<RunAsked>([
  { seed: 11, minutes: 0.5 },
  { seed: 12, minutes: 0.5, kind: 'cluster' },
  { seed: 12, minutes: 0.25, kind: 'gateway' },
])('a scenario that leaves nothing out is the seed itself: $kind $seed', async (asked) => {
  const { hash, scope } = await runSeed(asked)
  if (scope === undefined) throw new Error('a run without a scope')
  const { actors, strikes, acts, ...rest } = scope
  const whole = { ...rest, actors: range(actors), strikes: range(strikes), acts: range(acts) }
  expect((await runSeed({ ...asked, scenario: whole })).hash).toBe(hash)
  expect((await runSeed({ ...asked, scenario: { ...whole, strikes: [], acts: [] } })).hash).not.toBe(hash)
})

test('a scenario without faults, followers and others has none', async () => {
  const { counts, violation } = await runSeed({
    seed: 7,
    minutes: 0.5,
    kind: 'cluster',
    scenario: { traits: [], strikes: [], nodes: 2, clients: 1, subscribers: 0 },
  })
  expect(violation).toBeNull()
  for (const fault of ['crash', 'cut', 'freeze', 'store down', 'clock jump', 'several devices', 'hot actor'])
    expect([fault, counts[fault]]).toEqual([fault, undefined])
})

test('the smallest scenario is found: only what the failure needs is left', async () => {
  const scope: Scope = { ms: 60_000, nodes: 5, clients: 4, subscribers: 3, actors: 6, traits: ['a', 'b', 'c', 'd'], strikes: 40, acts: 300 }
  const failing = (property: string): RunResult => ({
    seed: 1,
    violation: { property, kind: 'safety', message: 'planted' },
    hash: '',
    virtualMs: 1,
    events: 1,
    counts: {},
    lines: [],
    scope,
  })
  const has = <T>(list: readonly T[] | undefined, ...wanted: readonly T[]): boolean => wanted.every((one) => list?.includes(one) ?? true)
  const run = ({ scenario = {} }: RunAsked): Promise<RunResult> => {
    const { nodes = 5, clients = 4, ms = 60_000, traits, actors, strikes, acts } = scenario
    const fails =
      nodes >= 2 && clients >= 1 && ms >= 7000 && has(traits, 'c') && has(actors, 3) && has(strikes, 17, 30) && has(acts, 41, 42, 250)
    // Another failure is not this one.
    return Promise.resolve(fails ? failing('planted') : nodes === 1 ? failing('another') : { ...failing(''), violation: null })
  }
  const found = await shrink({ seed: 1, minutes: 1 }, 60_000, run)
  expect(found?.scenario).toEqual({
    ms: 7000,
    nodes: 2,
    clients: 1,
    subscribers: 0,
    traits: ['c'],
    actors: [3],
    strikes: [17, 30],
    acts: [41, 42, 250],
  })
  expect(found?.result.violation?.property).toBe('planted')
  expect(await shrink({ seed: 1, minutes: 1 }, 1000, () => Promise.resolve({ ...failing(''), violation: null }))).toBeNull()
})

test('a scenario on the command line is read with care', () => {
  const scenario = { ms: 5, nodes: 2, traits: ['reorder'], acts: [0, 4] }
  expect(readScenario(JSON.stringify(scenario))).toEqual(scenario)
  for (const text of ['', '[]', 'null', '{"nodes":-1}', '{"nodes":"2"}', '{"acts":3}', '{"acts":[1.5]}', '{"traits":[1]}', '{"other":1}'])
    expect([text, readScenario(text)]).toEqual([text, null])
})
