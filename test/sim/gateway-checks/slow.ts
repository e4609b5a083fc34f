/** slow: a socket that takes nothing for `slowConsumerMs` while bytes wait is closed, soon; one that takes a little is not. (D9) */
import { resolveOptions } from '../../../src/options.ts'
import type { NodeProcess } from '../../../src/testing/process.ts'
import { SAMPLE_MS, type MakeGatewayCheck } from '../gateway-check.ts'

/** Its wheel has ticks, timers are a little late, and the first look finds only that bytes wait. */
const LATE_MS = 1_500
/** The option's default; the swarm leaves it. */
const PONG_GRACE_MS = resolveOptions().pongGraceMs

export const slow: MakeGatewayCheck = (facts, fail) => {
  /** A process that stands still closes nobody: since when it has been there at every look, and the last of these. */
  const lives = new Map<NodeProcess, { sinceMs: number; lookMs: number }>()
  return {
    name: 'slow',
    wrote: (socket, frame) => {
      if (frame.t !== 'bye' || frame.code !== 3008) return
      const { slowConsumerMs } = facts.swarm.options
      const tookMs = facts.nowMs - socket.tookMs
      if (tookMs < slowConsumerMs * 0.75)
        fail(`${socket.process.name} closed a socket as slow that took something ${Math.round(tookMs)} ms ago`)
    },
    sampled: (process, sockets) => {
      const { nowMs, swarm } = facts
      const life = lives.get(process) ?? { sinceMs: nowMs, lookMs: nowMs }
      if (nowMs - life.lookMs > 2 * SAMPLE_MS) life.sinceMs = nowMs
      life.lookMs = nowMs
      lives.set(process, life)
      // Few bytes are found with the next heartbeat, or when the pong to the last is due.
      const boundMs = Math.max(swarm.options.pingEveryMs, PONG_GRACE_MS) + swarm.options.slowConsumerMs * 1.75 + LATE_MS
      for (const { waitingBytes, tookMs, leaving, session, process: at } of sockets)
        if (at === process && session !== '' && !leaving && waitingBytes > 0 && nowMs - Math.max(tookMs, life.sinceMs) > boundMs)
          fail(
            `${process.name} holds a socket that has taken nothing for ${Math.round(nowMs - tookMs)} ms; slowConsumerMs is ${swarm.options.slowConsumerMs}`,
          )
    },
  }
}
