/** What would go wrong at the gateway without D7, D9 and D10: one small change of the production code a row. The tests of test/gateway must notice every one. */
import type { Mutant } from './mutate.ts'

const LATEST = 'gateway/latest-subscription.ts'
const LOG = 'gateway/log-subscription.ts'

export const GATEWAY_MUTANTS: readonly Mutant[] = [
  {
    rule: 'D9',
    name: 'the newest value is written whether the socket has room or not',
    file: LATEST,
    find: `note.offset <= this.#offset || !this.#subscriber.room) return`,
    replace: `note.offset <= this.#offset) return`,
  },
  {
    rule: 'D9',
    name: 'a log that fell behind does not pull when there is room',
    file: LOG,
    find: `if (this.#phase === 'behind' && this.#subscriber.room) this.#pull()`,
    replace: `if (this.#phase === 'closed' && this.#subscriber.room) this.#pull()`,
  },
  {
    rule: 'D9',
    name: 'a log is written whether the socket has room or not',
    file: LOG,
    find: `    if (this.#subscriber.room) this.#write(note)
    else this.#phase = 'behind'`,
    replace: `    this.#write(note)`,
  },
  {
    rule: 'D9',
    name: 'who takes nothing is never closed',
    file: 'gateway/stall.ts',
    find: `return tick - this.#since >= ticksMax`,
    replace: `return tick - this.#since >= ticksMax * 1e9`,
  },
  {
    rule: 'D9',
    name: 'who takes a little is closed',
    file: 'gateway/stall.ts',
    find: `if (takenBytes !== this.#takenBytes) {`,
    replace: `if (takenBytes < 0) {`,
  },
  {
    rule: 'D7',
    name: 'the window does not hold for what a gateway writes',
    file: LATEST,
    find: `if (monoMs < due) {`,
    replace: `if (monoMs < due - everyMs) {`,
  },
  {
    rule: 'D10',
    name: 'a ticket is taken whoever signed it',
    file: 'gateway/tickets.ts',
    find: `if (given.length !== due.length || !timingSafeEqual(given, due)) return null`,
    replace: `if (given.length !== due.length && !timingSafeEqual(due, due)) return null`,
  },
  {
    rule: 'D10',
    name: 'a ticket holds for ever',
    file: 'gateway/tickets.ts',
    find: `if (nowMs >= expiresAt) return null`,
    replace: `if (nowMs >= expiresAt * 2) return null`,
  },
  {
    rule: 'D10',
    name: 'what cannot be replayed is not reported',
    file: LOG,
    find: `    if (start.gap !== null) this.#subscriber.gap(this, start.gap.from, start.gap.to, undefined)
`,
    replace: ``,
  },
]
