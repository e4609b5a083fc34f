/** bounds: what a process holds for others never goes beyond what its options say: requests that wait for credit, sends under way, records of members. (R1, E7, M11) */
import type { MakeCheck } from '../check.ts'

export const bounds: MakeCheck = (facts, fail) => ({
  name: 'bounds',
  sampled: ({ id, member }) => {
    if (member === null) return
    const { linkQueue, forwardedEvents } = facts.swarm.options
    const { waitingForCredit, pendingSends } = member.router.stats()
    if (waitingForCredit > 0) facts.count('waited for credit')
    if (waitingForCredit > linkQueue)
      fail(`${id} has ${waitingForCredit} requests that wait for the credit of one node; linkQueue is ${linkQueue}`)
    if (pendingSends > forwardedEvents)
      fail(`${id} has ${pendingSends} sends under way to other nodes; forwardedEvents is ${forwardedEvents}`)
    const { records } = member.gossip.gauges
    if (records > facts.nodes.length) fail(`${id} knows ${records} members of a cluster of ${facts.nodes.length}`)
  },
})
