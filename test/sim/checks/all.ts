/** Every property, and what its failure means. */
import type { Check } from '../check.ts'
import type { Sim } from '../sim.ts'
import type { Kind } from '../verdict.ts'
import { accuracy } from './accuracy.ts'
import { ackedOnce } from './acked-once.ts'
import { bounds } from './bounds.ts'
import { conflict } from './conflict.ts'
import { deadline } from './deadline.ts'
import { debounce } from './debounce.ts'
import { disown } from './disown.ts'
import { drain } from './drain.ts'
import { effects } from './effects.ts'
import { followers } from './followers.ts'
import { gate } from './gate.ts'
import { groupCommit } from './group-commit.ts'
import { handoff } from './handoff.ts'
import { inDoubt } from './in-doubt.ts'
import { linear } from './linear.ts'
import { neverTakenBack } from './never-taken-back.ts'
import { observed } from './observed.ts'
import { oneLog } from './one-log.ts'
import { oneOwner } from './one-owner.ts'
import { owed } from './owed.ts'
import { placeRef } from './place-ref.ts'
import { reading } from './reading.ts'
import { sameAnswer } from './same-answer.ts'
import { sequence } from './sequence.ts'
import { sessionFifo } from './session-fifo.ts'
import { snapshots } from './snapshots.ts'
import { superseded } from './superseded.ts'
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
  handoff,
  oneOwner,
  disown,
  accuracy,
  bounds,
  drain,
  deadline,
  observed,
  superseded,
  followers,
  ackedOnce,
  neverTakenBack,
  effects,
  timers,
  sessionFifo,
].map((make) => ({ kind: 'safety', make }))
