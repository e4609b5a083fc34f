/** The mutants of the MongoDB store apply, and the tests that they name are there. What they break is shown by `npm run sim:mutants -- --kind mongodb`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mutated, sourceOf } from '../sim/mutate.ts'
import { MONGODB_MUTANTS } from './mongodb-mutants.ts'

const texts = (file: string): string =>
  [file, 'contract.ts', 'contract-claims.ts', 'contract-history.ts']
    .map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
    .join('\n')

test.each(MONGODB_MUTANTS)('$rule: $name', (mutant) => {
  expect(mutated(mutant, sourceOf(mutant))).not.toBe(sourceOf(mutant))
  // A title may be put together of a row of its table and the words after it.
  const [first = ''] = mutant.caughtBy.split(': ')
  expect(texts(mutant.test)).toContain(first)
})
