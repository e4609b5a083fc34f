/**
 * What an activation knows of its actor: everything that a snapshot holds and a fold rebuilds. Data only.
 * Rarely used parts are null until needed: most of a million idle actors have none of them.
 */
import type { Dedupe } from './dedupe.ts'
import type { ActorDefinition } from './define.ts'
import type { Effects } from './effects.ts'

export interface Timer {
  /** By the wall clock. */
  readonly due: number
  /** Its event's time is not below this; differs from `due` when the clock went back before it was set. */
  readonly notBefore: number
  readonly type: string
  /** Data as JSON text. */
  readonly json: string
}

export interface ActorMemory {
  state: unknown
  journal: string
  /** Offset of the newest entry, durable or not. */
  offset: number
  /** Time of the newest entry; time never falls within an actor. */
  lastAt: number
  dedupe: Dedupe | null
  effects: Effects | null
  timers: Map<string, Timer> | null
  /** Offset of the newest mark of each signal topic. */
  marks: Map<string, number> | null
}

export function freshMemory(definition: ActorDefinition, key: string, journal: string): ActorMemory {
  return { state: definition.state(key), journal, offset: 0, lastAt: 0, dedupe: null, effects: null, timers: null, marks: null }
}

/** Before every time of a wall clock. That of who writes a hint may be ahead of that of who looks for it when the writer is dead. */
const AT_ONCE = 0

/** When this actor must wake though nobody calls it (D5): at once, for undelivered effects; at its first timer; or never: null. */
export function owedAt(memory: ActorMemory): number | null {
  if (memory.effects !== null && memory.effects.pending > 0) return AT_ONCE
  if (memory.timers === null || memory.timers.size === 0) return null
  let first = Infinity
  for (const { due } of memory.timers.values()) if (due < first) first = due
  return first
}
