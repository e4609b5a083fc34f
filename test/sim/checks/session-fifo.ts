/**
 * session-fifo: what one process was given for one actor is taken in that order, whatever moved, was lost or was repeated meanwhile; looked at are
 * sends without a number that came to one process, once. (O13, E3)
 */
import type { MakeCheck, Op } from '../check.ts'
import { typeOf } from '../sim-app.ts'
import type { Process } from '../sim-node.ts'

export const sessionFifo: MakeCheck = (_facts, fail) => {
  const entered = new Map<Process, Map<string, Op[]>>()
  const times = new Map<Op, number>()
  return {
    name: 'session-fifo',
    entered: (op, { process }) => {
      if (!typeOf(op.actor).durable || op.identity.kind === 'seq') return
      times.set(op, (times.get(op) ?? 0) + 1)
      let actors = entered.get(process)
      if (actors === undefined) entered.set(process, (actors = new Map()))
      const ops = actors.get(op.actor)
      if (ops === undefined) actors.set(op.actor, [op])
      else ops.push(op)
    },
    end: () => {
      for (const actors of entered.values())
        for (const [actor, ops] of actors) {
          let last: { id: string; offset: number } = { id: '', offset: 0 }
          for (const op of ops) {
            const { answer, id } = op
            if (times.get(op) !== 1 || answer?.ok !== true || op.expect !== 'ok') continue
            if (answer.offset <= last.offset)
              fail(`${last.id} came to one node before ${id}; ${actor} has it at offset ${last.offset}, and ${id} at ${answer.offset}`)
            last = { id, offset: answer.offset }
          }
        }
    },
  }
}
