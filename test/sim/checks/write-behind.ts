/**
 * write-behind: (journal, offset) names one entry for ever, also of a type whose answers leave early; and what is not flushed
 * within twice the period is not added to. (J9)
 */
import { FLAG_CLAIM } from '../../../src/actors/batch.ts'
import type { MakeCheck } from '../check.ts'
import { LAZY_EVERY_MS, typeOf } from '../sim-app.ts'
import type { Life } from '../sim-node.ts'

export const writeBehind: MakeCheck = (facts, fail) => {
  const named = new Map<string, string>()
  /** Entries answered early and not durable yet, oldest first. */
  const unflushed = new Map<Life, Map<string, { offset: number; us: number }[]>>()
  const name = (actor: string, journal: string, offset: number, id: string, where: string): void => {
    const key = `${actor} ${journal} ${offset}`
    const known = named.get(key)
    if (known !== undefined && known !== id)
      fail(`${where} shows ${id} at offset ${offset} of journal ${journal} of ${actor}, which was ${known}`)
    named.set(key, id)
  }
  const idOf = (json: string | undefined): string => (JSON.parse(json ?? '{}') as { id: string }).id
  return {
    name: 'write-behind',
    applied: (batch, ledger) => {
      if (typeOf(batch.actor).durable) return
      for (const [life, actors] of unflushed) {
        const list = actors.get(batch.actor)
        // A claim: whatever was unflushed is lost with its activation.
        if (life.id !== batch.by || (batch.header.flags & FLAG_CLAIM) !== 0) list?.splice(0)
        while (list?.[0] !== undefined && list[0].offset <= ledger.durableOffset) list.shift()
      }
      if (batch.body !== null)
        for (const entry of ledger.entries.slice(ledger.entries.length - batch.entries))
          name(batch.actor, batch.journal, entry.offset, entry.id, 'the journal')
    },
    noted: ({ actor }, note) => {
      if (!typeOf(actor).durable && note.type !== undefined) name(actor, note.journal, note.offset, idOf(note.json), 'a note')
    },
    paged: ({ actor }, page) => {
      if (!typeOf(actor).durable) for (const { offset, json } of page.entries) name(actor, page.journal, offset, idOf(json), 'history')
    },
    replied: (op, outcome, life) => {
      if (!outcome.ok || outcome.durable || outcome.duplicate || typeOf(op.actor).durable) return
      facts.count('early answer')
      let actors = unflushed.get(life)
      if (actors === undefined) unflushed.set(life, (actors = new Map()))
      const list = actors.get(op.actor) ?? []
      actors.set(op.actor, list)
      // An activation that ended took its unflushed entries with it.
      const kept = list.filter(({ offset }) => offset < outcome.offset)
      actors.set(op.actor, [...kept, { offset: outcome.offset, us: facts.world.nowUs }])
      const oldest = kept[0]
      if (oldest === undefined) return
      const ageMs = (facts.world.nowUs - oldest.us) / 1000
      if (ageMs > 2 * LAZY_EVERY_MS + facts.swarm.options.storeRetryMs + 5)
        fail(`${life.id} took ${op.id} to ${op.actor} while its offset ${oldest.offset} was unflushed for ${ageMs} ms`)
    },
  }
}
