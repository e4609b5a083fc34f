/**
 * Where a server's time went: node bench/profile.ts DIR|FILE …
 * Reads the profiles that `run.ts --profile DIR` left (V8's .cpuprofile) and prints, for each thread, self time by place and by function.
 * Kernel time spent in a system call is charged to the native function that made it.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const SHOWN = 30
const paths = (await Promise.all(process.argv.slice(2).map(profilesIn))).flat()
if (paths.length === 0) {
  process.stderr.write('usage: node bench/profile.ts DIR|FILE …  (no .cpuprofile found)\n')
  process.exit(2)
}
for (const path of paths) summarize(basename(path), JSON.parse(await readFile(path, 'utf8')) as CpuProfile)

async function profilesIn(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path]
  const files = await readdir(path, { recursive: true })
  return files.filter((file) => file.endsWith('.cpuprofile')).map((file) => join(path, file))
}

function summarize(name: string, { nodes, samples, timeDeltas }: CpuProfile): void {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const byFunction = new Map<string, number>()
  const byPlace = new Map<string, number>()
  let total = 0
  let idle = 0
  samples.forEach((id, i) => {
    const frame = frames.get(id)
    const us = timeDeltas[i] ?? 0
    if (frame === undefined) return
    if (frame.functionName === '(idle)') {
      idle += us
      return
    }
    total += us
    const place = placeOf(frame.url)
    add(byPlace, frame.url === '' ? frame.functionName : place, us)
    add(byFunction, `${frame.functionName || '(anonymous)'}  ${place}:${frame.lineNumber + 1}`, us)
  })
  process.stdout.write(`\n${name}: busy ${seconds(total)} s, idle ${seconds(idle)} s\n`)
  for (const [title, times] of [
    ['by file', byPlace],
    ['by function', byFunction],
  ] as const) {
    process.stdout.write(`  ${title}\n`)
    for (const [what, us] of [...times].sort(([, a], [, b]) => b - a).slice(0, SHOWN))
      process.stdout.write(`    ${((us * 100) / total).toFixed(1).padStart(5)} %  ${what}\n`)
  }
}

/** `src/actors/turn.ts`, `ws/lib/sender.js`, `node:net` … */
function placeOf(url: string): string {
  if (url === '') return '(native)'
  const modules = url.lastIndexOf('/node_modules/')
  if (modules >= 0) return url.slice(modules + '/node_modules/'.length)
  return /\/((?:src|bench|dist)\/.*)$/.exec(url)?.[1] ?? url
}

function add(times: Map<string, number>, what: string, us: number): void {
  times.set(what, (times.get(what) ?? 0) + us)
}

function seconds(us: number): string {
  return (us / 1e6).toFixed(1)
}
