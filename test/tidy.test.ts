/** The repository tests itself: layers, banned calls, length, words. After TigerBeetle's src/tidy.zig. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..')

function files(folder: string, ending = '.ts'): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending) && !entry.parentPath.includes('node_modules'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort()
}

const SOURCES = files('src')
const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

/** Layer by folder or file, as STYLE draws it; a file imports from lower layers or its own folder. */
const LAYERS: readonly (readonly [prefix: string, layer: number])[] = [
  ['src/errors.ts', 0],
  ['src/options.ts', 0],
  ['src/base/', 0],
  ['src/protocol/', 1],
  ['src/store/store.ts', 1],
  ['src/cluster/', 1],
  ['src/actors/', 2],
  ['src/client/', 2],
  ['src/routing/', 3],
  ['src/transport/', 3],
  ['src/gateway/', 3],
  ['src/admin/', 3],
  ['src/store/', 3],
  ['src/node.ts', 4],
  ['src/node/', 4],
  ['src/index.ts', 5],
  ['src/testing.ts', 5],
  ['src/mongodb.ts', 5],
  ['src/sqlite.ts', 5],
  ['src/testing/', 5],
  // `simulate` runs what users' tests run.
  ['src/cli/', 6],
]

/** Imports that go sideways or up, each with its reason. */
const ALLOWED: readonly (readonly [from: string, to: string])[] = [
  // The client's types come from the app's definition; nothing of it is there at run time.
  ['src/client/types.ts', 'src/actors/define.ts'],
  ['src/client/index.ts', 'src/actors/define.ts'],
  ['src/client/client.ts', 'src/actors/define.ts'],
]

function layerOf(file: string): number {
  return LAYERS.find(([prefix]) => file.startsWith(prefix))?.[1] ?? -1
}

function folderOf(file: string): string {
  const [, folder = '', rest] = file.split('/')
  return rest === undefined ? file.replace(/\.ts$/, '') : `src/${folder}`
}

function imports(file: string): string[] {
  return [...textOf(file).matchAll(/(?:from|import)\s+'(\.[^']+)'/g)].map(([, path = '']) => normalize(join(dirname(file), path)))
}

describe('the tree', () => {
  it('every file belongs to a layer, and imports only lower ones or its own folder', () => {
    const wrong: string[] = []
    for (const file of SOURCES) {
      const layer = layerOf(file)
      if (layer < 0) wrong.push(`${file} is in no layer: name it in this test, or move it`)
      for (const to of imports(file)) {
        if (!existsSync(join(ROOT, to))) wrong.push(`${file} imports ${to}, which is not there`)
        if (folderOf(file) === folderOf(to) || ALLOWED.some(([from, target]) => from === file && target === to)) continue
        if (layerOf(to) >= layer) wrong.push(`${file} (layer ${layer}) imports ${to} (layer ${layerOf(to)})`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('only base/system.ts touches real time, timers and randomness', () => {
    const banned =
      /\b(Date\.now|Math\.random|setTimeout|setInterval|setImmediate|performance\.now|randomUUID|randomBytes|randomFillSync)\s*\(|new Date\(\)/
    // Outside the simulator's reach by their nature: programs, threads that only wait for the disk, and the browser's own platform.
    const apart = [/^src\/base\/system\.ts$/, /^src\/cli\//, /^src\/store\/sqlite/, /^src\/client\/platform\.ts$/]
    const wrong = SOURCES.filter((file) => !apart.some((known) => known.test(file))).flatMap((file) =>
      textOf(file)
        .split('\n')
        .flatMap((line, i) => (banned.test(line) && !/^\s*(\*|\/\/)/.test(line) ? [`${file}:${i + 1} ${line.trim()}`] : [])),
    )
    expect(wrong, 'take a Clock or a Random (src/base)').toEqual([])
  })

  it('no file is longer than a sitting', () => {
    const long = SOURCES.filter((file) => textOf(file).split('\n').length > 450)
    expect(long).toEqual([])
  })

  it('no file is unused', () => {
    const entries = [
      'src/index.ts',
      'src/testing.ts',
      'src/mongodb.ts',
      'src/sqlite.ts',
      'src/cli/main.ts',
      'src/client/index.ts',
      'src/client/msgpack.ts',
    ]
    const reached = new Set(entries)
    for (const file of reached) {
      if (!existsSync(join(ROOT, file))) continue
      for (const to of imports(file)) reached.add(to)
      // Worker threads are named by URL, CLI commands loaded on demand.
      for (const [, path = ''] of textOf(file).matchAll(/(?:import\(|new URL\(\s*)['"`](\.[^'"`]+)['"`]/g))
        reached.add(normalize(join(dirname(file), path.replace('${extension}', 'ts'))))
    }
    expect(SOURCES.filter((file) => !reached.has(file))).toEqual([])
  })

  it('exports are named, names say what they hold', () => {
    const unnamed = SOURCES.filter((file) => /^export default/m.test(textOf(file)))
    const vague = SOURCES.filter((file) => /\/(utils?|helpers?|types|common|misc)\.ts$/.test(file) && file !== 'src/client/types.ts')
    const inherited = SOURCES.flatMap((file) =>
      [...textOf(file).matchAll(/class \w+ extends (\w+)/g)].filter(([, base]) => base !== 'Error').map(([match]) => `${file}: ${match}`),
    )
    expect([unnamed, vague, inherited]).toEqual([[], [], []])
  })

  it('nothing is left for later without a word, and no test is switched off', () => {
    const all = [...SOURCES, ...files('test'), ...files('examples'), ...files('bench')].filter((file) => file !== 'test/tidy.test.ts')
    const marks = all.flatMap((file) =>
      textOf(file)
        .split('\n')
        .flatMap((line, i) =>
          /\b(TODO|FIXME|XXX)\b|\b(it|test|describe)\.(only|todo)\b/.test(line) ? [`${file}:${i + 1} ${line.trim()}`] : [],
        ),
    )
    expect(marks).toEqual([])
  })

  it('what is committed is source: nothing generated, nothing large', () => {
    const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' }).split('\0').filter(Boolean)
    const wrong = tracked.filter(
      (file) =>
        /(^|\/)(node_modules|dist|coverage)\//.test(file) ||
        (existsSync(join(ROOT, file)) && readFileSync(join(ROOT, file)).length > 100_000 && !file.endsWith('package-lock.json')),
    )
    expect(wrong).toEqual([])
  })
})
