/**
 * "A misspelt event, topic or query, or wrong data, is a compile error, in the app and in the client": the fixtures beside this file are
 * compiled. `@ts-expect-error` lines are mistakes; one that compiles is reported by the compiler, and fails here.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

function tsc(project: string): Promise<string> {
  return run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project, '--noEmit'], { cwd: root }).then(
    ({ stdout }) => stdout,
    (failed: { stdout: string; stderr: string }) => failed.stdout + failed.stderr,
  )
}

it('right uses compile and mistakes do not', async () => {
  expect(await tsc('test/types/tsconfig.json')).toBe('')
})

it('the client and the wire compile without Node’s types', async () => {
  expect(await tsc('tsconfig.browser.json')).toBe('')
})
