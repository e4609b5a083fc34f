/**
 * A scenario for an app that has none: events drawn from what the app declares. An event can be drawn whose schema gives JSON Schema (zod 4.2 and later, ArkType
 * and others do, by the Standard JSON Schema interface), or whose reducer takes no data. Everything is sent by the world itself, so `authorize` is not asked.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { seeded } from '../base/random.ts'
import type { App, EventDefinition } from '../actors/define.ts'
import { drawFrom, type Draw } from './draw.ts'
import { defineScenario, type Operation, type Scenario } from './scenario.ts'
import { valueOf } from './schema-values.ts'

export type Generated =
  | {
      readonly ok: true
      readonly scenario: Scenario
      /** Events that it cannot send, each with the reason. */
      readonly left: readonly string[]
    }
  | { readonly ok: false; readonly left: readonly string[] }

const USERS = 4
/** Draws of one value before it is given up: a refinement may refuse most. */
const TRIES = 50
const SAMPLES = 20

export function generatedScenario(app: App): Generated {
  const operations: Record<string, Operation> = {}
  const left: string[] = []
  const follow: { readonly actor: string; readonly topic: string }[] = []
  for (const [type, { events, queries, topics }] of app.byType) {
    for (const [name, event] of events) {
      const drawn = dataOf(event)
      if (typeof drawn === 'string') left.push(`'${name}' of '${type}': ${drawn}`)
      else
        operations[`${type} ${name}`] = ({ user, users, draw, send }) =>
          send(`${type}/${draw.chance(0.5) ? user : draw.of(users)}`, name, drawn(draw))
    }
    // One with arguments would be asked without them.
    for (const [name, query] of queries)
      if (query.length < 2) operations[`${type} ${name}?`] = ({ users, draw, query: ask }) => ask(`${type}/${draw.of(users)}`, name)
    for (const topic of topics.keys()) follow.push({ actor: type, topic })
  }
  if (!Object.keys(operations).some((name) => !name.endsWith('?'))) return { ok: false, left }
  const scenario = defineScenario(app, {
    users: USERS,
    operations,
    follow: (user) => follow.map(({ actor, topic }) => ({ actor: `${actor}/${user}`, topic })),
  })
  return { ok: true, scenario, left }
}

/** How its data are drawn, or why they cannot be. */
function dataOf({ schema, reduce }: EventDefinition<unknown, unknown, string>): ((draw: Draw) => unknown) | string {
  if (schema === undefined) return reduce.length < 2 ? () => null : 'it has no schema'
  const json = jsonSchemaOf(schema)
  if (json === null) return 'its schema gives no JSON Schema'
  const tried = (draw: Draw): unknown => {
    for (let tries = 0; tries < TRIES; tries++) {
      const value = valueOf(json, draw)
      if (takes(schema, value)) return value
    }
    return undefined
  }
  const trial = drawFrom(seeded('trial'))
  const fits = Array.from({ length: SAMPLES }, () => tried(trial)).some((value) => value !== undefined)
  return fits ? (draw) => tried(draw) ?? null : `of ${SAMPLES * TRIES} values that fit its JSON Schema the schema takes none`
}

function takes(schema: StandardSchemaV1, value: unknown): boolean {
  try {
    const result = schema['~standard'].validate(value)
    return !(result instanceof Promise) && result.issues === undefined
  } catch {
    return false
  }
}

function jsonSchemaOf(schema: StandardSchemaV1): unknown {
  const { jsonSchema } = schema['~standard'] as { readonly jsonSchema?: { input(options: { readonly target: string }): unknown } }
  try {
    return jsonSchema?.input({ target: 'draft-2020-12' }) ?? null
  } catch {
    // A type that JSON Schema has no word for.
    return null
  }
}
