/**
 * `troupe/testing`: a whole cluster in one process, on virtual time, with seeded faults, for an app's own tests. docs/testing.md has a worked example.
 *
 *     await using world = simulate(app, { seed: 7, nodes: 3 })
 *     await world.send('user/alice', 'note.added', { text: 'hi' })
 *     world.crash(await world.ownerOf('user/alice'))
 *     expect(await world.query('user/alice', 'count')).toBe(1)
 *
 * `defineScenario` says what users of an app do, for `troupe simulate` and `runScenario`, which draw traffic and faults from seeds.
 */
export { TroupeError, type ErrorCode } from './errors.ts'
export type { Via } from './testing/calls.ts'
export type { FaultRates } from './testing/nemesis.ts'
export {
  defineScenario,
  type Draw,
  type Follow,
  type Operation,
  type Scenario,
  type ScenarioOptions,
  type Step,
  type Turn,
} from './testing/scenario.ts'
export { runScenario, type Ran, type RunOptions } from './testing/run-scenario.ts'
export { simulate, type SimulateOptions, type World } from './testing/simulate.ts'
export type { StoreFailure } from './testing/store-faults.ts'
export { SimulationError, type Property } from './testing/trace.ts'
export type { NodeState } from './testing/processes.ts'
