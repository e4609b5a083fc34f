/**
 * never-taken-back: whatever an answer, a note or a page of history showed at an offset is what the final journal has there.
 * (Promise 2; J7, J8.) Not for write-behind types, which say so.
 */
import type { MakeCheck } from '../check.ts'
import { typeOf } from '../sim-app.ts'

export const neverTakenBack: MakeCheck = (facts, fail) => {
  const replies: (readonly [actor: string, offset: number, id: string, where: string])[] = []
  const sums: (readonly [actor: string, n: number, h: number, where: string])[] = []
  const sum = (actor: string, offset: number, json: string, where: string): void => {
    const { n, h, fits = true } = JSON.parse(json) as { n: number; h: number; fits?: boolean }
    if (n !== offset) fail(`${where} of ${actor} says offset ${offset} and shows ${n} entries`)
    if (!fits) fail(`${where} of ${actor} shows a state that was migrated wrongly`)
    sums.push([actor, n, h, where])
  }
  return {
    name: 'never-taken-back',
    replied: (op, outcome) => {
      if (outcome.ok && outcome.offset > 0 && (outcome.durable || typeOf(op.actor).durable))
        replies.push([op.actor, outcome.offset, op.id, 'a reply'])
    },
    answered: ({ actor, call }, outcome) => {
      if (!outcome.ok || !typeOf(actor).durable) return
      if (call.name === 'sum') sum(actor, outcome.offset, outcome.json, 'a query')
      else for (const [i, id] of (JSON.parse(outcome.json) as string[]).entries()) replies.push([actor, i + 1, id, 'a query'])
    },
    subscribed: ({ actor }, state) => {
      if (state.kind === 'view' && typeOf(actor).durable) sum(actor, state.offset, state.json ?? '{}', 'a subscription')
    },
    noted: ({ actor, topic }, note) => {
      if (!typeOf(actor).durable) return
      if (topic === 'sum') sum(actor, note.offset, note.json ?? '{}', 'a note')
      if (note.type !== undefined) replies.push([actor, note.offset, idOf(note.json), 'a note'])
    },
    paged: ({ actor }, page) => {
      if (typeOf(actor).durable) for (const { offset, json } of page.entries) replies.push([actor, offset, idOf(json), 'history'])
    },
    end: () => {
      for (const [actor, offset, id, where] of replies) {
        const found = facts.ledger(actor)?.ids[offset - 1]
        if (found !== id) fail(`${where} showed ${id} at offset ${offset} of ${actor}, where there is ${found ?? 'nothing'}`)
      }
      for (const [actor, n, h, where] of sums) {
        const found = n === 0 ? 0 : facts.ledger(actor)?.hashAt(n)
        if (found !== h) fail(`${where} showed ${n} entries of ${actor} with hash ${h}; the journal's have ${found ?? 'not so many'}`)
      }
    },
  }
}

function idOf(json: string | undefined): string {
  return (JSON.parse(json ?? '{}') as { id: string }).id
}
