/** debounce: a subscription to a signal or view is written at most one note a window, whoever owns the actor meanwhile. That the last is written is `newest`. (D7) */
import type { MakeGatewayCheck } from '../gateway-check.ts'
import { SIGNAL_EVERY_MS, VIEW_EVERY_MS } from '../sim-app.ts'

/** Virtual time has whole microseconds. */
const TICK_MS = 0.01

export const debounce: MakeGatewayCheck = (facts, fail) => ({
  name: 'debounce',
  wrote: (socket, frame) => {
    if (frame.t !== 'note' || frame.type !== undefined) return
    const topic = socket.topics.get(frame.sub)
    if (topic === undefined) return
    if (frame.offset <= topic.offset)
      fail(`${socket.process.name} wrote offset ${frame.offset} of '${topic.topic}' of ${topic.actor} after ${topic.offset}`)
    const windowMs = topic.topic === 'sum' ? VIEW_EVERY_MS : SIGNAL_EVERY_MS
    const sinceMs = facts.nowMs - topic.notedMs
    if (sinceMs < windowMs - TICK_MS)
      fail(`${socket.process.name} wrote two notes of '${topic.topic}' of ${topic.actor} within ${sinceMs} ms; the window is ${windowMs}`)
    facts.count('debounced note')
  },
  ended: ({ topics }) => {
    // What came within the window was still owed when the socket went: the next one must make it good.
    for (const { actor, topic, notedMs, offset } of topics.values()) {
      if (topic !== 'changed' && topic !== 'sum') continue
      const windowMs = topic === 'sum' ? VIEW_EVERY_MS : SIGNAL_EVERY_MS
      const owed = facts.nowMs - notedMs < windowMs && (facts.ledger(actor)?.durableOffset ?? 0) > offset
      if (owed) facts.count('window closed by the end of a socket')
    }
  },
})
