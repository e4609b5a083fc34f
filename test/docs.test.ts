/** The docs are held equal to the tables in the code. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ERRORS } from '../src/errors.ts'
import { OPTIONS } from '../src/options.ts'

const ROOT = join(import.meta.dirname, '..')
const rows = (file: string): string[] =>
  readFileSync(join(ROOT, file), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))

describe('docs', () => {
  it('docs/errors.md is the table of src/errors.ts', () => {
    const expected = Object.entries(ERRORS).map(
      ([code, { retryable, http, grpc, close, meaning }]) =>
        `| \`${code}\` | ${retryable ? 'yes' : 'no'} | ${http} | ${grpc} | ${close} | ${meaning} |`,
    )
    expect(rows('docs/errors.md')).toEqual(expected)
  })

  it('docs/options.md is the table of src/options.ts', () => {
    const expected = Object.entries(OPTIONS).map(
      ([name, { value, min, max, doc }]) => `| \`${name}\` | ${value} | ${min} | ${max} | ${doc} |`,
    )
    expect(rows('docs/options.md')).toEqual(expected)
  })
})
