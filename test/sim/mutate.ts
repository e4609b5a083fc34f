/** Runs the simulator against a copy of the sources with one line changed, until a property catches it. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runSeeds } from './pool.ts'
import type { SeedKind } from './swarm.ts'

export interface Mutant {
  readonly name: string
  /** The rule of DESIGN that it breaks. */
  readonly rule: string
  /** Below src/. */
  readonly file: string
  /** Must be found exactly once, so that a mutant cannot rot. */
  readonly find: string
  readonly replace: string
  /** The seeds that hunt it; default engine. */
  readonly kind?: SeedKind
}

export interface Caught {
  readonly mutant: Mutant
  /** null: it survived. */
  readonly property: string | null
  readonly message: string
  readonly seeds: number
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const FIRST_SEED = 1

/** The source with the mutant's change; throws when its place is not there exactly once. */
export function mutated(mutant: Mutant, source: string): string {
  const places = source.split(mutant.find).length - 1
  if (places !== 1) throw new Error(`mutant '${mutant.name}': its text is ${places} times in src/${mutant.file}; it must be there once`)
  return source.replace(mutant.find, () => mutant.replace)
}

export function sourceOf(mutant: Mutant): string {
  return readFileSync(join(ROOT, 'src', mutant.file), 'utf8')
}

export async function hunt(
  mutant: Mutant,
  asked: { readonly seeds: number; readonly minutes: number; readonly workers: number },
): Promise<Caught> {
  const source = mutated(mutant, sourceOf(mutant))
  const folder = mkdtempSync(join(tmpdir(), 'troupe-mutant-'))
  try {
    for (const part of ['src', 'test/sim', 'package.json']) cpSync(join(ROOT, part), join(folder, part), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'src', mutant.file), source)
    const results = await runSeeds({
      seeds: Array.from({ length: asked.seeds }, (_, i) => FIRST_SEED + i),
      minutes: asked.minutes,
      ...(mutant.kind !== undefined && { kind: mutant.kind }),
      workers: asked.workers,
      stopAtFirst: true,
      patienceMs: 60_000,
      worker: join(folder, 'test/sim/seed-worker.ts'),
    })
    const first = results.find(({ violation }) => violation !== null)
    return { mutant, property: first?.violation?.property ?? null, message: first?.violation?.message ?? '', seeds: results.length }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
