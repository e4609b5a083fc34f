/**
 * An activation that another owner's batches have left behind: fenced when it next writes, told when it next must prove itself; but one that nobody asks
 * would keep the old memory, without the timers and sends that the other owner left when it died. The scanner finds those owners' hints (D5).
 */
import type { Hint } from '../store/store.ts'
import type { Activation } from './activation.ts'
import type { Host } from './host.ts'

/**
 * `hint` is in the store, and the actor is in memory: if it belongs to a later place than the memory knows, and the store has that place (D11), the
 * activation ends and `again` is called. A hint alone proves nothing: its batch may never have been written.
 */
export function endIfOvertaken(host: Host, activation: Activation, hint: Hint, again: () => void): void {
  const { writer } = activation
  // What is being read is read to the end, and what is being written meets the fence.
  const behind = (n: number): boolean => activation.live && !writer.inFlight && n > writer.n
  if (!behind(hint.n)) return
  host.proofs.ask(activation.id, (answer) => {
    if (answer === null || !behind(answer.n)) return
    activation.stale()
    again()
  })
}
