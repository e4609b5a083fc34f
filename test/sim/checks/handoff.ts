/**
 * handoff: a bundle is the memory after a durable batch, exactly, with nothing of it undecided; and who gave an actor up does not answer from what it had. (H1, J4, J5)
 */
import { HEADER_BYTES, readHeader } from '../../../src/actors/batch.ts'
import type { MakeCheck } from '../check.ts'
import type { Life } from '../sim-node.ts'

interface Given {
  readonly us: number
  /** Activations that the engine had ever made. */
  readonly activated: number
}

const activated = (life: Life): number => life.engine.stats().counters['activated'] ?? 0

export const handoff: MakeCheck = (facts, fail) => {
  const given = new Map<Life, Map<string, Given>>()
  return {
    name: 'handoff',
    released: (actor, bundle, life) => {
      let actors = given.get(life)
      if (actors === undefined) given.set(life, (actors = new Map()))
      actors.set(actor, { us: facts.world.nowUs, activated: activated(life) })
      if (bundle === null) return
      const where = `the bundle of ${actor} that ${life.id} gave`
      const ledger = facts.ledger(actor)
      const batch = ledger?.record.batches[bundle.n - 1]
      if (ledger === undefined || batch === undefined) return fail(`${where} is after place ${bundle.n}, which is not durable`)
      if (Buffer.compare(batch.hash, bundle.hash) !== 0) fail(`${where} carries another hash than place ${bundle.n} has`)
      const header = readHeader(bundle.snapshot)
      const offset = batch.header.firstOffset + batch.header.entries - 1
      if (header?.n !== bundle.n || header.firstOffset !== offset + 1)
        fail(`${where} ends at offset ${(header?.firstOffset ?? 0) - 1}; its place at ${offset}`)
      const { state } = JSON.parse(Buffer.from(bundle.snapshot).toString('utf8', HEADER_BYTES)) as { state: { h: number } }
      if (state.h !== ledger.hashAt(offset)) fail(`${where} has another state than its ${offset} entries make`)
    },
    answered: (query, outcome, life) => {
      const known = given.get(life)?.get(query.actor)
      if (known === undefined || !outcome.ok || query.beganUs <= known.us) return
      facts.count('answer after a release')
      if (activated(life) === known.activated)
        fail(`${life.id} answered a query of ${query.actor}, which it had given up, and has activated nothing since`)
    },
  }
}
