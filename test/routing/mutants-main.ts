/**
 * `node test/routing/mutants-main.ts [--only TEXT]`: breaks src/routing on purpose, one rule at a time, in a copy, and shows which test of this folder
 * notices. Exit 1 if a mutant survives.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { mutated, sourceOf, type Mutant } from '../sim/mutate.ts'
import { MUTANTS } from './mutants.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LIMIT_MS = 120_000

const { values } = parseArgs({ options: { only: { type: 'string' } } })
const chosen = MUTANTS.filter(({ name, rule }) => values.only === undefined || name.includes(values.only) || rule === values.only)
let survived = 0
for (const mutant of chosen) {
  const noticed = hunt(mutant)
  if (noticed === null) survived++
  console.log(`| ${mutant.rule.padEnd(8)} | ${mutant.name.padEnd(66)} | ${noticed ?? 'SURVIVED'} |`)
}
console.log(`${chosen.length - survived} of ${chosen.length} mutants caught`)
if (survived > 0 || chosen.length === 0) process.exitCode = 1

/** The first test that fails, or null. */
function hunt(mutant: Mutant): string | null {
  const source = mutated(mutant, sourceOf(mutant))
  const folder = mkdtempSync(join(tmpdir(), 'troupe-mutant-'))
  try {
    for (const part of ['src', 'test/routing', 'test/support', 'package.json', 'tsconfig.json', 'vitest.config.ts'])
      cpSync(join(ROOT, part), join(folder, part), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'src', mutant.file), source)
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
    const args = [vitest, 'run', 'test/routing', '--bail=1', '--reporter=json', '--outputFile=out.json', '--maxWorkers=1']
    execFileSync(process.execPath, args, { cwd: folder, stdio: 'pipe', timeout: LIMIT_MS, maxBuffer: 64 * 1024 * 1024 })
    return null
  } catch {
    const report = join(folder, 'out.json')
    const said = existsSync(report) ? readFileSync(report, 'utf8') : ''
    return /"fullName":"([^"]+)","status":"failed"/.exec(said)?.[1] ?? 'a test that did not end'
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
