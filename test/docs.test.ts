/** The docs are held equal to the tables in the code. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { run } from '../src/cli/program.ts'
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

  it('the scenario of docs/testing.md runs as it is printed, beside the app that it is for', async () => {
    const text = readFileSync(join(ROOT, 'docs/testing.md'), 'utf8')
    const [, scenario = ''] = /```ts\n(\/\/ scenario\.ts, beside examples\/notes\/app\.ts\n[^]*?)```/.exec(text) ?? []
    const [, about = ''] = /\n {4}(a scenario: .*)\n/.exec(text) ?? []
    const folder = mkdtempSync(join(tmpdir(), 'troupe-docs-'))
    try {
      writeFileSync(join(folder, 'scenario.ts'), scenario)
      writeFileSync(join(folder, 'app.ts'), `export { default } from ${JSON.stringify(join(ROOT, 'examples/notes/app.ts'))}`)
      vi.stubEnv('NOTES_DIR', folder)
      const lines: string[] = []
      const said = (line: string): void => void lines.push(line)
      const terminal = { out: said, err: said, status: () => undefined, interactive: false }
      const code = await run(
        ['simulate', join(folder, 'scenario.ts'), '--seeds', '2', '--from', '1', '--minutes', '0.5', '--workers', '1'],
        terminal,
      )
      expect([code, lines[1]]).toEqual([0, about])
      // Neither is refused all the time.
      for (const operation of ['adds a note', 'reads the newest']) expect(lines.join('\n')).toMatch(new RegExp(`${operation} +ok \\d+\n`))
    } finally {
      vi.unstubAllEnvs()
      rmSync(folder, { recursive: true })
    }
  }, 60_000)
})
