/**
 * gaps: a log comes without hole or overlap. Each note begins where the one before ended; an entry that does not come was told of as a gap before the next
 * one came; and a gap is told only of what is no longer kept, or of another journal. (D9, D10, CONTRACT §3)
 */
import type { GatewayFollow, MakeGatewayCheck } from '../gateway-check.ts'
import { typeOf } from '../sim-app.ts'

export const gaps: MakeGatewayCheck = (facts, fail) => {
  /** Where each app stands: up to here everything came, or was told of. */
  const places = new Map<GatewayFollow, number>()
  const isOf = (topic: string, type: string): boolean => topic === 'feed' || type === 'add' || type === 'send'
  return {
    name: 'gaps',
    wrote: (socket, frame) => {
      if (frame.t === 'gap' && frame.journal === undefined && frame.to < frame.from)
        fail(`${socket.process.name} wrote a gap from ${frame.from} to ${frame.to}: there is nothing in it`)
      if (frame.t !== 'note') return
      const topic = socket.topics.get(frame.sub)
      if (topic !== undefined && frame.from !== topic.offset + 1)
        fail(
          `${socket.process.name} wrote a note of '${topic.topic}' of ${topic.actor} from ${frame.from}; the one before ended at ${topic.offset}`,
        )
    },
    noted: (follow, note) => {
      if (note.type === undefined) return
      const { actor, topic, device } = follow
      const place = places.get(follow) ?? follow.from
      places.set(follow, note.offset)
      if (!typeOf(actor).durable || place < 0) return
      if (note.offset <= place) return fail(`${device} got offset ${note.offset} of '${topic}' of ${actor} after ${place}`)
      const missed = facts
        .ledger(actor)
        ?.entries.slice(place, note.offset - 1)
        .find(({ type }) => isOf(topic, type))
      if (missed !== undefined && typeOf(actor).journal)
        fail(
          `${device} got offset ${note.offset} of '${topic}' of ${actor} after ${place}, and ${missed.id} at ${missed.offset} never came nor was told of`,
        )
      facts.count('entry of a log')
    },
    gapped: (follow, { from, to, journalChanged }) => {
      const { actor, topic, device } = follow
      const place = places.get(follow) ?? follow.from
      places.set(follow, Math.max(to, place))
      if (topic !== 'feed' && topic !== 'adds') return
      facts.count('gap')
      const { durable, journal, keep } = typeOf(actor)
      if (!durable) return
      if (journalChanged) return fail(`${device} was told that ${actor} has another journal`)
      const ledger = facts.ledger(actor)
      if (journal && (keep === Infinity || to > (ledger?.durableOffset ?? 0) - keep))
        fail(
          `${device} was told of a gap from ${from} to ${to} of '${topic}' of ${actor}, which has ${ledger?.durableOffset} and keeps ${keep}`,
        )
      if (place >= 0 && journal && from > place + 1)
        fail(`${device} was told of a gap from ${from} of '${topic}' of ${actor}; it stands at ${place}`)
    },
    end: () => {
      for (const follow of facts.follows()) {
        const { actor, topic, device, open, from } = follow
        if (!open || (topic !== 'feed' && topic !== 'adds') || !typeOf(actor).durable) continue
        const place = places.get(follow) ?? from
        const missed = facts
          .ledger(actor)
          ?.entries.slice(Math.max(0, place))
          .find(({ type }) => isOf(topic, type))
        if (missed !== undefined && typeOf(actor).journal)
          fail(`${device} stands at ${place} of '${topic}' of ${actor}; ${missed.id} at ${missed.offset} never came nor was told of`)
      }
    },
  }
}
