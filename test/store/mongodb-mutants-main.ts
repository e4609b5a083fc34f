/**
 * `node test/store/mongodb-mutants-main.ts [PART OF A NAME]`: breaks the MongoDB store on purpose, one rule at a time, and runs the tests
 * that should notice. Exit 1 if a mutant survives them.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mutated, sourceOf } from '../sim/mutate.ts'
import { MONGODB_MUTANTS, type MongodbMutant } from './mongodb-mutants.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const TIMEOUT_MS = 180_000

interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[] }[]
}

const wanted = process.argv[2] ?? ''
let missed = 0
for (const mutant of MONGODB_MUTANTS.filter(({ name }) => name.includes(wanted))) {
  const { failed, run } = tried(mutant)
  if (failed === 0) missed++
  console.log(`${mutant.rule} ${mutant.name}: ${failed === 0 ? 'SURVIVED' : `${failed} of ${run} tests`} '${mutant.caughtBy}'`)
}
console.log(missed === 0 ? 'every mutant is caught' : `${missed} mutants survived`)
if (missed > 0) process.exitCode = 1

/** The tests that the mutant names, against a copy of the sources that has it. */
function tried(mutant: MongodbMutant): { readonly failed: number; readonly run: number } {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-mutant-'))
  try {
    for (const part of ['src', 'test/store', 'test/support', 'test/admin', 'docs/mongodb.md', 'package.json'])
      cpSync(join(ROOT, part), join(folder, part), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'src', mutant.file), mutated(mutant, sourceOf(mutant)))
    const report = join(folder, 'report.json')
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
    const title = mutant.caughtBy.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    const args = ['run', `test/store/${mutant.test}`, '--root', folder, '-t', title, '--reporter', 'json', '--outputFile', report]
    spawnSync(process.execPath, [vitest, ...args], { cwd: folder, stdio: 'ignore', timeout: TIMEOUT_MS })
    const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report
    const run = testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ status }) => status !== 'skipped' && status !== 'pending')
    return { failed: run.filter(({ status }) => status === 'failed').length, run: run.length }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
