/**
 * What `dev` and `troupe/testing` watch for (J8): reducers that change the state they are given, or that do not give the same
 * state again when their events are folded.
 */
import type { Loaded } from '../store/store.ts'
import { fold, type FoldOutcome, type FoldParts } from './fold.ts'
import type { Host } from './host.ts'

/** Freezes a state and all in it, so that a reducer that changes it throws where it does. Parts shared with an earlier state are frozen already. */
export function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value)) return
  Object.freeze(value)
  for (const part of Object.values(value)) deepFreeze(part)
}

/** Folds twice; states that differ are reported, and the second stands. */
export function foldTwice(loaded: Loaded | null, parts: FoldParts, host: Host): FoldOutcome {
  const first = fold(loaded, parts)
  const second = fold(loaded, parts)
  if (first.kind === 'folded' && second.kind === 'folded') {
    if (JSON.stringify(first.memory.state) !== JSON.stringify(second.memory.state)) {
      host.counters.impure++
      host.log.error(
        { actor: parts.id, offset: second.memory.offset },
        'an impure reducer: folding the same events twice gave two states; reducers may use only state, data and ctx (ctx.now, ctx.random())',
      )
    }
    deepFreeze(second.memory.state)
  }
  return second
}
