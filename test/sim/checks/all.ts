/** Every property, and what its failure means. */
import type { Check } from '../check.ts'
import type { Sim } from '../sim.ts'
import type { Kind } from '../verdict.ts'
import { ackedOnce } from './acked-once.ts'
import { conflict } from './conflict.ts'
import { debounce } from './debounce.ts'
import { effects } from './effects.ts'
import { followers } from './followers.ts'
import { gate } from './gate.ts'
import { groupCommit } from './group-commit.ts'
import { inDoubt } from './in-doubt.ts'
import { linear } from './linear.ts'
import { neverTakenBack } from './never-taken-back.ts'
import { oneLog } from './one-log.ts'
import { owed } from './owed.ts'
import { placeRef } from './place-ref.ts'
import { reading } from './reading.ts'
import { sameAnswer } from './same-answer.ts'
import { sequence } from './sequence.ts'
import { snapshots } from './snapshots.ts'
import { timers } from './timers.ts'
import { writeBehind } from './write-behind.ts'

interface Row {
  readonly kind: Kind
  readonly make: (sim: Sim, fail: (message: string) => void) => Check
}

export const CHECKS: readonly Row[] = [
  oneLog,
  placeRef,
  inDoubt,
  groupCommit,
  gate,
  sequence,
  sameAnswer,
  conflict,
  linear,
  snapshots,
  owed,
  reading,
  debounce,
  writeBehind,
  followers,
  ackedOnce,
  neverTakenBack,
  effects,
  timers,
].map((make) => ({ kind: 'safety', make }))
