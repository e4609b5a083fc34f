/** one-owner: an entry is acknowledged by the generation that wrote it and by no other: one activation answers in an epoch. (J2, J7, O2) */
import type { MakeCheck } from '../check.ts'
import { typeOf } from '../sim-app.ts'

export const oneOwner: MakeCheck = (facts, fail) => ({
  name: 'one-owner',
  replied: (op, outcome, life) => {
    const { durable, journal } = typeOf(op.actor)
    if (facts.cluster === null || !outcome.ok || outcome.duplicate || !durable || !journal) return
    const entry = facts.ledger(op.actor)?.entries[outcome.offset - 1]
    if (entry === undefined || entry.batch.by === life.id) return
    fail(
      `${life.id} acknowledges ${op.id} at offset ${outcome.offset} of ${op.actor}, which ${entry.batch.by} wrote in epoch ${entry.batch.header.epoch}`,
    )
  },
})
