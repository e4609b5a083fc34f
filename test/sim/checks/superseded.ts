/** superseded: what one process tells of an actor never goes back to an earlier epoch of the same journal: a superseded owner's word is dropped. (D8, O8) */
import type { MakeCheck } from '../check.ts'
import type { Process } from '../sim-node.ts'

export const superseded: MakeCheck = (facts, fail) => {
  const told = new Map<Process, Map<string, number>>()
  return {
    name: 'superseded',
    told: ({ name, actor, topic }, { journal, epoch }, { id, process }) => {
      if (facts.cluster === null) return
      let epochs = told.get(process)
      if (epochs === undefined) told.set(process, (epochs = new Map()))
      const key = `${actor} ${journal}`
      const newest = epochs.get(key) ?? 0
      if (epoch < newest) fail(`${id} tells ${name} of ${actor} ${topic} in epoch ${epoch}, after epoch ${newest}`)
      epochs.set(key, Math.max(newest, epoch))
    },
  }
}
