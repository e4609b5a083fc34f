/** The mutants of the membership cannot rot: the text of each is in the sources once, and every rule has one. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MEMBERSHIP_MUTANTS } from './mutants.ts'

describe('the mutants', () => {
  it.each(MEMBERSHIP_MUTANTS.map((mutant) => [`${mutant.rule}: ${mutant.name}`, mutant] as const))('%s', (_, { file, find, replace }) => {
    const source = readFileSync(join(import.meta.dirname, '../../src', file), 'utf8')
    expect(source.split(find).length - 1, 'its text in the source').toBe(1)
    expect(replace).not.toBe(find)
  })

  it('each of M1–M16 has one but M4 and M15, which M1 and M6 break too', () => {
    const rules = new Set(MEMBERSHIP_MUTANTS.map(({ rule }) => rule))
    const wanted = Array.from({ length: 16 }, (_, i) => `M${i + 1}`).filter((rule) => rule !== 'M4' && rule !== 'M15')
    expect(wanted.filter((rule) => !rules.has(rule))).toEqual([])
  })
})
