/** conflict: a key that was used is not taken again for other content. (D1) */
import type { MakeCheck } from '../check.ts'
import { ERRORS } from '../../../src/errors.ts'

export const conflict: MakeCheck = (facts, fail) => ({
  name: 'conflict',
  replied: (op, outcome) => {
    if (op.expect !== 'conflict') return
    if (outcome.ok) fail(`${op.id} was taken at offset ${outcome.offset} of ${op.actor} under a key that had other content`)
    else if (outcome.code !== 'conflict' && !ERRORS[outcome.code].retryable) fail(`${op.id} was answered ${outcome.code}, not conflict`)
    else if (outcome.code === 'conflict') facts.count('conflict')
  },
})
