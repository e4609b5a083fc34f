/**
 * The smallest scenario that still fails: fast-check takes away nodes, clients, actors, kinds of fault, single faults and single actions, as long as the run
 * fails by the same property. Bounded in real time: what is found until then is the answer.
 */
import fc from 'fast-check'
import { runSeed, type RunAsked, type RunResult } from './run.ts'
import type { Scenario, Scope } from './scenario.ts'

export interface Shrunk {
  readonly scenario: Scenario
  readonly result: RunResult
  /** Runs that it took. */
  readonly tried: number
}

type Parts = { readonly [Part in keyof Scenario]-?: fc.Arbitrary<NonNullable<Scenario[Part]>> }

/** What each part of a scenario can be. The smaller values that fast-check goes to are those with less of it. What leaves out most comes first. */
export function partsOf(scope: Scope): Parts {
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
  return {
    traits: fc.subarray([...scope.traits]),
    nodes: fc.integer({ min: 1, max: scope.nodes }),
    subscribers: fc.integer({ min: 0, max: scope.subscribers }),
    clients: fc.integer({ min: Math.min(1, scope.clients), max: scope.clients }),
    strikes: fc.subarray(numbers(scope.strikes)),
    acts: fc.subarray(numbers(scope.acts)),
    actors: fc.subarray(numbers(scope.actors)).filter((chosen) => chosen.length > 0),
    ms: fc.integer({ min: Math.min(1000, scope.ms), max: scope.ms }),
  }
}

/** null: it does not fail again, or not by a property. */
export async function shrink(
  asked: RunAsked,
  budgetMs: number,
  run: (asked: RunAsked) => Promise<RunResult> = runSeed,
): Promise<Shrunk | null> {
  const first = await run(asked)
  const { violation, scope } = first
  if (violation === null || scope === undefined) return null
  const end = performance.now() + budgetMs
  let best: Shrunk = { scenario: trimmed(asked.scenario ?? {}, scope), result: first, tried: 0 }
  let tried = 0
  const fails = async (scenario: Scenario): Promise<boolean> => {
    tried++
    const result = await run({ ...asked, scenario })
    if (result.violation?.property !== violation.property || result.violation.kind !== violation.kind) return false
    best = { scenario: trimmed(scenario, result.scope ?? scope), result, tried }
    return true
  }
  const lessOf = async (part: keyof Scenario, untilMs: number): Promise<void> => {
    const { scenario, result } = best
    const whole = trimmed(scenario, result.scope ?? scope)
    const arbitrary: fc.Arbitrary<unknown> = partsOf({
      ...scope,
      strikes: 1 + Math.max(0, ...whole.strikes),
      acts: 1 + Math.max(0, ...whole.acts),
    })[part]
    // Out of time: everything passes, and the search comes to its end.
    const passes = async (value: unknown): Promise<boolean> => performance.now() > untilMs || !(await fails({ ...whole, [part]: value }))
    await fc.check(fc.asyncProperty(arbitrary, passes), { numRuns: 1, examples: [[whole[part]]] })
  }
  const parts = Object.keys(partsOf(scope)) as (keyof Scenario)[]
  for (;;) {
    const before = sizeOf(best.scenario)
    for (const [i, part] of parts.entries()) {
      const now = performance.now()
      if (now < end) await lessOf(part, now + (end - now) / Math.max(2, parts.length - i))
    }
    if (sizeOf(best.scenario) >= before || performance.now() >= end) break
  }
  return { ...best, scenario: tidy(best.scenario, scope), tried }
}

/** Said in full, and without what was to come after the failure. */
function trimmed(scenario: Scenario, scope: Scope): Required<Scenario> {
  const list = (chosen: readonly number[] | undefined, count: number): readonly number[] =>
    chosen?.filter((number) => number < count) ?? Array.from({ length: count }, (_, i) => i)
  return {
    ms: scenario.ms ?? scope.ms,
    traits: scenario.traits ?? scope.traits,
    nodes: scenario.nodes ?? scope.nodes,
    clients: scenario.clients ?? scope.clients,
    subscribers: scenario.subscribers ?? scope.subscribers,
    actors: scenario.actors ?? list(undefined, scope.actors),
    strikes: list(scenario.strikes, scope.strikes),
    acts: list(scenario.acts, scope.acts),
  }
}

function sizeOf({ ms = 0, traits = [], nodes = 0, clients = 0, subscribers = 0, actors = [], strikes = [], acts = [] }: Scenario): number {
  return ms / 1000 + traits.length + nodes + clients + subscribers + actors.length + strikes.length + acts.length
}

/** Without what says nothing: all of what there is. */
function tidy(scenario: Scenario, scope: Scope): Scenario {
  const said = Object.entries(scenario).filter(([name, value]) => {
    const all = scope[name as keyof Scope]
    return Array.isArray(value) ? value.length < (Array.isArray(all) ? all.length : (all as number)) : value !== all
  })
  return Object.fromEntries(said) as Scenario
}

/** In words. */
export function shrunkText({ scenario, result, tried }: Shrunk, scope: Scope): string {
  const count = (list: readonly unknown[] | undefined, all: number): number => list?.length ?? all
  return [
    `smallest that still fails '${result.violation?.property}', after ${tried} runs: ${scenario.nodes ?? scope.nodes} of ${scope.nodes} nodes,`,
    `${scenario.clients ?? scope.clients} of ${scope.clients} clients, ${scenario.subscribers ?? scope.subscribers} of ${scope.subscribers} followers,`,
    `${count(scenario.actors, scope.actors)} of ${scope.actors} actors, ${count(scenario.strikes, scope.strikes)} of ${scope.strikes} faults,`,
    `${count(scenario.acts, scope.acts)} of ${scope.acts} actions in ${((scenario.ms ?? scope.ms) / 1000).toFixed(1)} s,`,
    `traits: ${(scenario.traits ?? scope.traits).join(' ') || 'none'}`,
  ].join(' ')
}
