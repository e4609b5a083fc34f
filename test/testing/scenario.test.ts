/** Scenarios in an app's own tests, and what they are made of: plans, the smallest failing part, values of schemas, what is left in memory. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { actor, app, log } from '../../src/index.ts'
import { defineScenario, runScenario, SimulationError } from '../../src/testing.ts'
import { seeded } from '../../src/base/random.ts'
import type { Evidence } from '../../src/testing/checks.ts'
import { drawFrom } from '../../src/testing/draw.ts'
import { generatedScenario } from '../../src/testing/generated.ts'
import { leftOver } from '../../src/testing/leaks.ts'
import { drawPlan, itemText, type Item } from '../../src/testing/plan.ts'
import { sampleScenario } from '../../src/testing/sample-scenario.ts'
import { valueOf } from '../../src/testing/schema-values.ts'
import { shrink } from '../../src/testing/shrink.ts'
import { EXIT_CODES, kindOf } from '../../src/testing/verdict.ts'

const adder = app({
  actors: {
    user: actor('user', {
      state: () => ({ sum: 0 }),
      events: { add: { reduce: (state, by: number, ctx) => (by === 0 ? ctx.refuse('zero') : { sum: state.sum + by }) } },
      topics: { feed: log() },
      queries: { sum: ({ sum }) => sum },
    }),
  },
})

describe('runScenario', () => {
  it('gives the same for the same seed, counts what was answered, and another for another', async () => {
    const [once, again, other] = [await ran(7), await ran(7), await ran(8)]
    expect(again).toEqual(once)
    expect(other.hash).not.toBe(once.hash)
    expect(once.operations['transfer']?.['ok']).toBeGreaterThan(0)
  })

  it('rejects with the first thing that broke, and how to have it again', async () => {
    const scenario = defineScenario(adder, {
      operations: { add: ({ user, send }) => send(`user/${user}`, 'add', 5) },
      invariants: { user: { 'at most ten': ({ sum }, name) => sum <= 10 || `${name} has ${sum}` } },
    })
    const error: unknown = await runScenario(scenario, { seed: 1, nodes: 1, minutes: 0.2 }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(SimulationError)
    expect(error).toMatchObject({ property: 'invariant', seed: 1, message: expect.stringContaining('has 15') as string })
    expect((error as Error).message).toContain('runScenario(scenario, { seed: 1, nodes: 1, minutes: 0.2 })')
  })

  it('a check of the whole is asked once all is quiet', async () => {
    const asked: unknown[] = []
    const scenario = defineScenario(adder, {
      users: 2,
      begin: async (world, user) => void (await world.send(`user/${user}`, 'add', 1)),
      operations: { nothing: () => null, both: ({ users, send }) => users.map((user) => send(`user/${user}`, 'add', 1)) },
      checks: {
        'the same for all': async (world, users) => {
          const sums = await Promise.all(users.map((user) => world.query(`user/${user}`, 'sum')))
          asked.push(sums)
          return sums[0] === sums[1]
        },
        'never right': async () => 'as the test wants it',
      },
    })
    await expect(runScenario(scenario, { seed: 3, minutes: 0.1 })).rejects.toThrow(/'never right' does not hold .*: as the test wants it/)
    expect(asked).toHaveLength(1)
  })

  it('what the scenario does wrong is no verdict', async () => {
    const operations = { add: () => null }
    const failing = defineScenario(adder, { begin: async (world) => void (await world.send('user/u1', 'add', 0)), operations })
    await expect(runScenario(failing, { seed: 1 })).rejects.toThrow(/^the beginning of u1 failed: .*zero/)
    expect(() => defineScenario(adder, { users: 0, operations })).toThrow('users is a whole number from 1 to 64')
    expect(() => defineScenario(adder, { operations: {} })).toThrow('operations is empty')
    expect(() => defineScenario(adder, { operations: { add: { weight: 0, run: () => null } } })).toThrow("operation 'add'")
    expect(() => defineScenario(adder, { operations, invariants: { usr: {} } as never })).toThrow("names 'usr'")
    await expect(runScenario(sampleScenario, { seed: 1, minutes: 0 })).rejects.toThrow('minutes is a number above 0')
  })

  const ran = (seed: number): ReturnType<typeof runScenario> => runScenario(sampleScenario, { seed, minutes: 0.1, nodes: 2 })
})

describe('plans', () => {
  const asked = { nodes: 3, minutes: 2, users: ['u1', 'u2'], operations: [{ name: 'a', weight: 3 }, { name: 'b', weight: 1 }] } // prettier-ignore
  const plans = Array.from({ length: 200 }, (_, seed) => drawPlan({ ...asked, seed }))
  const kinds = (plan: readonly Item[]): Set<string> => new Set(plan.map(({ kind }) => kind))

  it('come from the seed alone, in order of time, within the time asked', () => {
    for (const [seed, plan] of plans.entries()) {
      if (seed < 20) expect(drawPlan({ ...asked, seed })).toEqual(plan)
      expect(plan.every(({ atMs }, i) => atMs >= (plan[i - 1]?.atMs ?? 0) && atMs < 120_000)).toBe(true)
    }
    expect(plans[1]).not.toEqual(plans[2])
  })

  it('have every kind of fault in some seeds and not in others, and runs without any', () => {
    for (const kind of ['crash', 'freeze', 'cut', 'drain', 'store', 'join']) {
      const having = plans.filter((plan) => kinds(plan).has(kind)).length
      expect([kind, having > 50 && having < 150]).toEqual([kind, true])
    }
    expect(plans.some((plan) => [...kinds(plan)].join() === 'operation')).toBe(true)
  })

  it('draw operations by weight, and cut no node from itself', () => {
    const names = plans.flatMap((plan) => plan.flatMap((item) => (item.kind === 'operation' ? [item.name] : [])))
    const share = names.filter((name) => name === 'a').length / names.length
    expect(share).toBeGreaterThan(0.6)
    expect(share).toBeLessThan(0.9)
    for (const plan of plans) for (const item of plan) if (item.kind === 'cut') expect(item.from).not.toBe(item.to)
    for (const item of plans.flat().slice(0, 500)) expect(itemText(item)).toMatch(/^ *[\d.]+ s {2}\S/)
  })
})

describe('the smallest failing part', () => {
  it('needs every item that is left, whatever makes it fail, within its tries', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.uniqueArray(fc.nat(59), { minLength: 1, maxLength: 5 }), async (count, some) => {
        const items = Array.from({ length: count }, (_, i) => i)
        const needed = some.map((number) => number % count)
        let runs = 0
        const { kept, tries } = await shrink(items, async (kept) => (runs++, needed.every((number) => kept.includes(number))), 1000)
        expect([...kept]).toEqual([...new Set(needed)].sort((a, b) => a - b))
        expect(tries).toBe(runs)
      }),
    )
  })

  it('stops after the tries it has, with what fails', async () => {
    const fails = async (kept: readonly number[]): Promise<boolean> => kept.includes(3) && kept.includes(90)
    const items = Array.from({ length: 100 }, (_, i) => i)
    const { kept, tries } = await shrink(items, fails, 7)
    expect(tries).toBe(7)
    expect(await fails(kept)).toBe(true)
  })
})

describe('values of schemas', () => {
  const draw = drawFrom(seeded('values'))
  it.each([
    ['strings', z.string().min(3).max(5)],
    ['bounds', z.object({ a: z.int().min(-3).max(3), b: z.number().gt(0).lt(1), c: z.number().multipleOf(5) })],
    ['formats', z.tuple([z.email(), z.uuid(), z.url(), z.iso.date(), z.iso.datetime()])],
    ['choices', z.union([z.enum(['a', 'b']), z.literal(5), z.object({ k: z.literal('x'), list: z.array(z.boolean()).min(1) }), z.null()])],
    ['options', z.strictObject({ a: z.string().optional(), b: z.string().nullable(), c: z.array(z.int()).max(2) })],
    ['itself', z.object({ name: z.string(), get children() { return z.array(z.lazy(() => Tree)).max(2) } })], // prettier-ignore
  ])('%s', (_, schema) => {
    const json = z.toJSONSchema(schema)
    const drawn = Array.from({ length: 200 }, () => valueOf(json, draw))
    for (const value of drawn) expect(schema.safeParse(value).error?.message, JSON.stringify(value)).toBeUndefined()
    expect(new Set(drawn.map((value) => JSON.stringify(value))).size).toBeGreaterThan(1)
  })
  const Tree: z.ZodType = z.object({ name: z.string(), children: z.array(z.string()).max(2) })

  it('a scenario of an app: what its schemas take is sent, the rest is named with the reason', () => {
    const schemas = {
      fits: z.object({ text: z.string().max(5) }),
      refined: z.string().refine((text) => text === 'nobody guesses this'),
      wordless: z.bigint(),
    }
    const events = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, { schema, reduce: (state: number) => state }]))
    const made = generatedScenario(app({ actors: { user: actor('user', { state: () => 0, events: { ...events, bare: { reduce: (state: number, by: number) => state + by } } as never }) } })) // prettier-ignore
    expect(made.ok && made.scenario.operations.map(({ name }) => name)).toEqual(['user fits'])
    expect(made.left).toEqual([
      expect.stringMatching(/^'refined' of 'user': of 1000 values/),
      "'wordless' of 'user': its schema gives no JSON Schema",
      "'bare' of 'user': it has no schema",
    ])
  })
})

describe('verdicts', () => {
  it('each kind has its exit code, and each property its kind', () => {
    expect(EXIT_CODES).toEqual({ safety: 1, liveness: 2, nondeterminism: 3, leak: 4 })
    const kinds = (['acknowledged-once', 'invariant', 'newest-state', 'convergence', 'memory'] as const).map(kindOf)
    expect(kinds).toEqual(['safety', 'safety', 'liveness', 'liveness', 'leak'])
  })

  it('memory: what is left is named, unless somebody owes something soon', async () => {
    const idle = { leases: 0, subscriptions: 0, lanes: 0, pendingSends: 0, pendingReads: 0, inbound: 0 }
    const evidence = ({ active = [] as string[], routing = {}, gateway = {}, timers = new Map<string, { due: number }>() }): Evidence =>
      ({
        now: 1000,
        processes: [
          {
            name: 'n1',
            state: 'up',
            clients: { stats: () => gateway },
            member: {
              engine: { stats: () => ({ pendingEvents: 0 }), activations: () => active.map((name) => ({ actor: name })) },
              router: { stats: () => ({ ...idle, ...routing }) },
            },
          },
        ],
        journals: {
          actors: () => Promise.resolve(['user/u1', 'user/u2']),
          read: () => Promise.resolve({}),
          folded: () => ({ kind: 'folded', memory: { timers, effects: null } }),
        },
      }) as never
    const timer = (due: number): Map<string, { due: number }> => new Map([['t', { due }]])
    expect(await leftOver(evidence({}))).toBeNull()
    expect(await leftOver(evidence({ active: ['user/u1'] }))).toBe('user/u1 is in the memory of n1')
    expect(await leftOver(evidence({ active: ['user/u1'], timers: timer(10_000) }))).toBeNull()
    expect(await leftOver(evidence({ active: ['user/u1'], timers: timer(10_000_000) }))).toBe('user/u1 is in the memory of n1')
    expect(await leftOver(evidence({ routing: { leases: 2 } }))).toBe('the router of n1 has 2 of leases')
    expect(await leftOver(evidence({ gateway: { upstreams: 1 } }))).toBe('the gateway of n1 has 1 of upstreams')
  })
})
