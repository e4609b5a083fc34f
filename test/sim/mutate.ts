/** Makes a copy of the project with one small break, runs what should notice, and tells what did and when. */
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runSeeds } from './pool.ts'
import type { SeedKind } from './swarm.ts'

export interface Mutant {
  /** The rule of the design that it breaks. */
  readonly rule: string
  readonly name: string
  /** Below src/. */
  readonly file: string
  /** Must be found exactly once, so that a mutant cannot rot. */
  readonly find: string
  readonly replace: string
  /** The seeds that hunt it; default engine. */
  readonly kind?: SeedKind
}

export interface Caught {
  /** The property or the test; null: it survived. */
  readonly by: string | null
  readonly message: string
  /** How many seeds were run until then; null: by tests. */
  readonly seeds: number | null
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const FIRST_SEED = 1
/** What a copy has. */
const PARTS = ['src', 'test', 'proto', 'docs', 'examples', 'package.json', 'tsconfig.json', 'vitest.config.ts']
const TESTS_MS = 600_000

/** The source with the mutant's change; throws when its place is not there exactly once. */
export function mutated(mutant: Mutant, source: string): string {
  const places = source.split(mutant.find).length - 1
  if (places !== 1) throw new Error(`mutant '${mutant.name}': its text is ${places} times in src/${mutant.file}; it must be there once`)
  return source.replace(mutant.find, () => mutant.replace)
}

export function sourceOf(mutant: Mutant): string {
  return readFileSync(join(ROOT, 'src', mutant.file), 'utf8')
}

/** null: as it is. */
async function inCopy<T>(mutant: Mutant | null, run: (folder: string) => Promise<T>): Promise<T> {
  const source = mutant === null ? null : mutated(mutant, sourceOf(mutant))
  const folder = mkdtempSync(join(tmpdir(), 'troupe-mutant-'))
  try {
    for (const part of PARTS) cpSync(join(ROOT, part), join(folder, part), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    if (mutant !== null && source !== null) writeFileSync(join(folder, 'src', mutant.file), source)
    return await run(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export interface SeedsAsked {
  readonly seeds: number
  readonly minutes: number
  readonly workers: number
}

/** Which property notices, within so many seeds. */
export function huntBySeeds(mutant: Mutant, asked: SeedsAsked): Promise<Caught> {
  return inCopy(mutant, async (folder) => {
    const { tally, failed } = await runSeeds({
      seeds: Array.from({ length: asked.seeds }, (_, i) => FIRST_SEED + i),
      minutes: asked.minutes,
      ...(mutant.kind !== undefined && { kind: mutant.kind }),
      workers: asked.workers,
      stopAtFirst: true,
      patienceMs: 120_000,
      worker: join(folder, 'test/sim/seed-worker.ts'),
    })
    const violation = failed[0]?.result.violation
    return { by: violation?.property ?? null, message: violation?.message ?? '', seeds: tally.seeds }
  })
}

export interface Tests {
  /** Files and folders below test/. */
  readonly files: readonly string[]
  /** Of these only tests with this in their names; absent: all. */
  readonly title?: string
  /** Tests with this in their names are tried before the others. */
  readonly first?: string
}

/** Which test notices. */
export function huntByTests(mutant: Mutant | null, { files, title, first }: Tests): Promise<Caught> {
  return inCopy(mutant, async (folder) => {
    const tried = first === undefined ? null : (await runTests(folder, files, first)).by
    if (tried !== null) return { by: tried, message: '', seeds: null }
    const { by, ran } = await runTests(folder, files, title)
    if (!ran) throw new Error(`mutant '${mutant?.name}': there is no test '${title ?? ''}' in ${files.join(', ')}`)
    return { by, message: '', seeds: null }
  })
}

async function runTests(
  folder: string,
  files: readonly string[],
  title: string | undefined,
): Promise<{ readonly by: string | null; readonly ran: boolean }> {
  const report = join(folder, 'out.json')
  rmSync(report, { force: true })
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const named = title === undefined ? [] : ['-t', title.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')]
  const paths = files.map((file) => `test/${file}`)
  const args = ['run', ...paths, '--root', folder, ...named, '--bail=1', '--maxWorkers=1', '--reporter=json', `--outputFile=${report}`]
  const code = await ended(process.execPath, [vitest, ...args], folder)
  const said = existsSync(report) ? readFileSync(report, 'utf8') : ''
  const failed = /"fullName":"((?:[^"\\]|\\.)+)","status":"failed"/.exec(said)?.[1]
  const by = failed === undefined ? 'a test that did not end' : (JSON.parse(`"${failed}"`) as string).trim()
  return { by: code === 0 ? null : by, ran: code !== 0 || said.includes('"status":"passed"') }
}

function ended(command: string, args: readonly string[], cwd: string): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: 'ignore', timeout: TESTS_MS, killSignal: 'SIGKILL' })
    child.on('exit', (code) => resolve(code))
    child.on('error', () => resolve(null))
  })
}
