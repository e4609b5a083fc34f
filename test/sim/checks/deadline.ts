/**
 * deadline: a send that says who it is gets a final answer or, when its time is over and not before, `timeout`; `unavailable` only where no node offers its
 * actor or this one goes. Until then it is asked again, whatever moved or died. (lanes.ts 5, C1)
 */
import type { MakeCheck } from '../check.ts'

/** What a late timer may add. */
const SLACK_MS = 1000

export const deadline: MakeCheck = (facts, fail) => ({
  name: 'deadline',
  relayed: ({ actor, key, seq, timeoutMs = facts.swarm.options.sendTimeoutMs }, outcome, tookMs, life) => {
    const named = key !== undefined || seq !== undefined
    if (!outcome.ok && outcome.code === 'timeout' && named && tookMs < timeoutMs - 1)
      fail(`${life.id} answered a send to ${actor} with 'timeout' after ${tookMs} ms of ${timeoutMs}`)
    // Newer code may be wanted than anybody runs just now (J8).
    const offered = !actor.startsWith('evolving/') && life.member?.placement.ownerOf(actor) !== null
    if (!outcome.ok && outcome.code === 'unavailable' && offered && !life.draining)
      fail(`${life.id} answered a send to ${actor} with 'unavailable' after ${tookMs} ms of ${timeoutMs}: ${outcome.message}`)
    const calm = (facts.cluster?.calmMs(life.node.name) ?? 0) > tookMs
    if (calm && tookMs > timeoutMs + SLACK_MS) fail(`${life.id} answered a send to ${actor} after ${tookMs} ms of ${timeoutMs}`)
  },
})
