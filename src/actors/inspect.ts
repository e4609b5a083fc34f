/** What an operator sees of one actor. */
import type { Activation } from './activation.ts'

export interface Inspection {
  readonly ok: true
  readonly actor: string
  readonly journal: string
  readonly offset: number
  readonly epoch: number
  /** Newest place in the journal. */
  readonly n: number
  /** It was in memory before it was asked for. */
  readonly active: boolean
  readonly state: unknown
  readonly version: number
  readonly subscribers: number
  readonly timers: readonly { readonly name: string; readonly due: number; readonly type: string }[]
  readonly effects: readonly { readonly to: string; readonly seq: number; readonly type: string }[]
  /** Sends that their targets finally refused (D4). */
  readonly effectsRefused: number
}

export function inspectActivation(activation: Activation, active: boolean): Inspection {
  const { id, memory, writer, definition, subscribers } = activation
  return {
    ok: true,
    actor: id,
    journal: memory.journal,
    offset: memory.offset,
    epoch: writer.claimedEpoch,
    n: writer.n,
    active,
    state: memory.state,
    version: definition.version,
    subscribers,
    timers: Array.from(memory.timers ?? [], ([name, { due, type }]) => ({ name, due, type })),
    effects: (memory.effects?.all() ?? []).slice(0, 100).map(({ to, seq, type }) => ({ to, seq, type })),
    effectsRefused: memory.effects?.refused ?? 0,
  }
}
