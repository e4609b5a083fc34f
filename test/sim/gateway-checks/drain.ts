/** drain: a gateway that goes asks who is there to move, gives them the time that it named, and answers what it has read, before it closes them. (H2, promise 5) */
import type { MakeGatewayCheck, SeenSocket } from '../gateway-check.ts'

const DRAINED = 3015
/** Virtual time has whole microseconds. */
const TICK_MS = 0.01

export const drain: MakeGatewayCheck = (facts, fail) => {
  /** Until when each may stay, as it was told first. */
  const until = new WeakMap<SeenSocket, number>()
  return {
    name: 'drain',
    wrote: (socket, frame, _asked, waitingBytes) => {
      const { name } = socket.process
      if (frame.t === 'hint' && frame.kind === 'drain' && !until.has(socket)) until.set(socket, facts.nowMs + frame.inMs + frame.spreadMs)
      if (frame.t !== 'bye' || frame.code !== DRAINED || socket.session === '') return
      const stays = until.get(socket)
      if (stays === undefined) return fail(`${name} closed a client of a drain that it had not asked to go`)
      if (facts.nowMs < stays - TICK_MS) fail(`${name} closed a client of a drain ${Math.round(stays - facts.nowMs)} ms before its time`)
      // What waits behind answers that are not taken is asked again elsewhere.
      if (socket.unanswered > 0 && waitingBytes <= facts.swarm.options.outboxBytes)
        fail(`${name} closed a client of a drain with ${socket.unanswered} requests unanswered`)
      facts.count('drained after its time')
    },
  }
}
