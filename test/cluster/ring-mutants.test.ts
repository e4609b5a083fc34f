/** The mutants of ring and placement apply, and the tests that they name are there. What they break is shown by `npm run sim:mutants -- --kind ring`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mutated, sourceOf } from '../sim/mutate.ts'
import { RING_MUTANTS } from './ring-mutants.ts'

test.each(RING_MUTANTS)('$rule: $name', (mutant) => {
  expect(mutated(mutant, sourceOf(mutant))).not.toBe(sourceOf(mutant))
  expect(readFileSync(join(import.meta.dirname, mutant.test), 'utf8')).toContain(mutant.caughtBy)
})
