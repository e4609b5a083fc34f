/** bounds: what a gateway holds for its clients never goes beyond what its options say: bytes that a socket has not taken, requests, subscriptions. (D9, promise 6) */
import type { NodeProcess } from '../../../src/testing/process.ts'
import type { MakeGatewayCheck, SeenSocket } from '../gateway-check.ts'

/** What is joined into one message within a turn (outbox.ts). */
const JOINED_BYTES = 16 * 1024
/** A reply without data, or a refusal: they are written whether there is room or not. */
const REPLY_BYTES = 600
/** Longer than any time-out of the swarm. */
const JOIN_MS = 15_000

export const bounds: MakeGatewayCheck = (facts, fail) => {
  /** Largest answer that was written to a socket: one may go beyond `outboxBytes`, the next is refused. */
  const answers = new WeakMap<SeenSocket, number>()
  /** Since when more of a socket is unanswered than may be. */
  const beyond = new WeakMap<SeenSocket, number>()
  /** Since when a gateway follows more than its clients do. */
  const joining = new Map<NodeProcess, number>()
  return {
    name: 'bounds',
    read: (socket) => {
      // A send that goes twice is two requests in one message: they wait, and the socket is not read.
      const most = 2 * facts.swarm.options.inflight + 2
      const since = beyond.get(socket)
      if (socket.session === '' || socket.unanswered <= most) beyond.delete(socket)
      // After a stall much is read in one instant, and answered: the answers of a turn are written at its end.
      else if (since === undefined) beyond.set(socket, facts.nowMs)
      else if (facts.nowMs > since)
        fail(
          `${socket.process.name} has read ${socket.unanswered} requests of one connection that it has not answered; inflight is ${facts.swarm.options.inflight}`,
        )
      if (socket.unanswered > facts.swarm.options.inflight) facts.count('more than inflight')
    },
    wrote: (socket, frame, _asked, waitingBytes) => {
      const { outboxSoftBytes, outboxBytes, inflight } = facts.swarm.options
      if (frame.t === 'note' && waitingBytes > outboxSoftBytes)
        fail(
          `${socket.process.name} wrote a note to a socket that has not taken ${waitingBytes} bytes; outboxSoftBytes is ${outboxSoftBytes}`,
        )
      const most = outboxBytes + JOINED_BYTES + 2 * inflight * REPLY_BYTES + (answers.get(socket) ?? 0)
      if (frame.t === 'reply' && frame.ok && (frame.data !== undefined || frame.entries !== undefined))
        answers.set(socket, Math.max(answers.get(socket) ?? 0, Buffer.byteLength(JSON.stringify(frame))))
      if (waitingBytes > outboxSoftBytes) facts.count('socket without room')
      if (waitingBytes > most && frame.t !== 'bye')
        fail(`${waitingBytes} bytes wait on a socket of ${socket.process.name}; outboxBytes is ${outboxBytes}`)
      if (frame.t === 'reply' && frame.ok && frame.sub !== undefined && socket.topics.size >= facts.swarm.options.subscriptions)
        fail(`a socket of ${socket.process.name} has more than ${facts.swarm.options.subscriptions} subscriptions`)
    },
    sampled: (process) => {
      const { name, clients, member } = process
      const { options } = facts.swarm
      const stats = clients?.stats()
      if (stats !== undefined) {
        if (stats.sessions > stats.sockets) fail(`${name} has ${stats.sessions} sessions and ${stats.sockets} sockets`)
        if (stats.subscriptions > stats.sessions * options.subscriptions)
          fail(`${name} has ${stats.subscriptions} subscriptions of ${stats.sessions} sessions`)
        // Who has gone may still be joining: until the owner, or a time-out, has answered.
        if (stats.upstreams <= stats.subscriptions + stats.sessions * options.inflight) joining.delete(process)
        else if (!joining.has(process)) joining.set(process, facts.nowMs)
        else if (facts.nowMs - (joining.get(process) ?? 0) > JOIN_MS)
          fail(`${name} has ${stats.upstreams} upstreams for ${stats.subscriptions} subscriptions, for ${JOIN_MS} ms`)
      }
      const routing = member?.router.stats()
      if (routing === undefined) return
      if (routing.waitingForCredit > options.linkQueue)
        fail(`${name} has ${routing.waitingForCredit} requests that wait for credit; linkQueue is ${options.linkQueue}`)
      if (routing.pendingSends > options.forwardedEvents)
        fail(`${name} has ${routing.pendingSends} sends under way; forwardedEvents is ${options.forwardedEvents}`)
    },
  }
}
