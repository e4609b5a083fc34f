/**
 * P8: cold starts. The first touch of an actor that lies in the embedded store (a query, and an event), after a drain, which leaves
 * snapshots, and after a crash, which leaves only batches; and the time from starting the program to `ready`.
 * Files are in the page cache: a disk's seek is not measured.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { inRounds, Sheet, usableSystems, type Bench } from './harness/bench.ts'
import { startChild } from './harness/child.ts'
import { dataDirectory } from './harness/systems.ts'
import type { ColdResult } from './servers/cold.ts'

const FULL = { actors: 90_000, events: 3 }
const QUICK = { actors: 90, events: 2 }

export const p8: Bench = {
  name: 'p8',
  about: 'cold activation from the embedded store; time to ready',
  run: async (options) => {
    const sheet = new Sheet('p8')
    sheet.target('activations', { to: 'absolute', relation: '>=', value: 20_000 })
    sheet.target('p99 at half', { to: 'absolute', relation: '<=', value: 5 })
    sheet.target('time to ready', { to: 'absolute', relation: '<=', value: 3 })
    const { actors, events } = options.quick ? QUICK : FULL
    const third = Math.floor(actors / 3)
    const systems = await usableSystems(options, ['troupe'])
    for (const end of ['drain', 'crash'] as const)
      await inRounds(options, systems, async (system) => {
        const directory = await dataDirectory()
        const child = await startChild(new URL('cold.ts', system.program), [directory])
        try {
          await child.ask('fill', { actors, events, end })
          const name = `after a ${end}`
          const ask = (question: string, argument: object): Promise<ColdResult> => child.ask<ColdResult>(question, argument)
          const closed = await ask('query', { range: { from: 0, to: third }, rate: null, want: events })
          const half = await ask('query', { range: { from: third, to: 2 * third }, rate: closed.perSecond / 2, want: events })
          const sent = await ask('send', { range: { from: 2 * third, to: 3 * third }, seq: events + 1 })
          sheet.add(name, system.name, 'activations', 'a second', closed.perSecond)
          sheet.add(name, system.name, 'p50 at half', 'ms', half.latency.p50)
          sheet.add(name, system.name, 'p99 at half', 'ms', half.latency.p99)
          sheet.add(name, system.name, 'first events', 'a second', sent.perSecond)
          options.say(`  ${name}: ${Math.round(closed.perSecond)} activations/s, at half p99 ${half.latency.p99.toFixed(1)} ms`)
        } finally {
          await child.stop()
        }
        if (end === 'drain' && system.name === 'troupe') {
          const seconds = await secondsToReady(directory)
          if (seconds === null) options.say('  time to ready: there is no src/cli/main.ts yet')
          else sheet.add(`store of ${actors.toLocaleString('en')} actors`, system.name, 'time to ready', 's', seconds)
        }
      })
    return sheet.rows()
  },
}

/** From starting `troupe start` to its line `ready`. */
async function secondsToReady(directory: string): Promise<number | null> {
  const cli = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
  if (!existsSync(cli)) return null
  const app = fileURLToPath(new URL('servers/app.ts', import.meta.url))
  const start = performance.now()
  const child = spawn(
    process.execPath,
    [
      cli,
      'start',
      app,
      '--listen',
      '127.0.0.1:0',
      '--rpc-listen',
      '127.0.0.1:0',
      '--admin-listen',
      '127.0.0.1:0',
      '--store',
      `sqlite:${directory}`,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4096)))
  const ended = once(child, 'exit')
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      said = `${said}${line}\n`.slice(-4096)
      if (line.startsWith('ready')) return (performance.now() - start) / 1000
    }
    throw new Error(`troupe start ended before it was ready:\n${said}`)
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}
