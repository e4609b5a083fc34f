#!/usr/bin/env -S node --max-semi-space-size=16
/**
 * The `troupe` command. This file must load on any Node: it checks the version before it imports anything newer.
 */
import { nodeProblem } from './node-version.ts'

const problem = nodeProblem(process.versions.node)
const simulates = process.argv[2] === 'simulate'
/** Of `simulate` 1 would be a verdict (docs/testing.md). */
const CRASHED = simulates ? 64 : 1

if (problem === null) {
  if (simulates)
    process.on('uncaughtException', (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
      process.exit(CRASHED)
    })
  const { run } = await import('./program.ts')
  const { terminal, written } = await import('./terminal.ts')
  const code = await run(process.argv.slice(2), terminal)
  await written()
  // An app, or a connection kept alive, may leave something open that would keep the process: it ends here all the same.
  process.exit(code)
} else {
  process.stderr.write(`troupe: ${problem}\n`)
  process.exitCode = CRASHED
}
