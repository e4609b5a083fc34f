/** A worker process: runs the seeds it is sent, one after another. Sends 'ready' once, then a RunResult for each. */
import { runSeed, type RunAsked, type RunResult } from './run.ts'

// Errors are made by the thousand here, and their stacks are costly.
Error.stackTraceLimit = 3

process.on('unhandledRejection', (error) => {
  process.send?.({ crashed: error instanceof Error ? (error.stack ?? error.message) : String(error) })
})

process.on('message', (asked: RunAsked & { readonly twice: boolean }) => {
  void run(asked).then((result) => process.send?.(result))
})

async function run(asked: RunAsked & { readonly twice: boolean }): Promise<RunResult> {
  const result = await runSeed(asked)
  if (!asked.twice || result.violation !== null) return result
  // The second time microtasks are drained after every event: nothing may depend on when.
  const again = await runSeed({ ...asked, drainAlways: true })
  if (again.hash === result.hash && again.violation === null) return result
  const message = `two runs of one seed differ: ${result.hash} and ${again.hash}`
  return { ...result, violation: again.violation ?? { property: 'determinism', kind: 'nondeterminism', message }, lines: again.lines }
}

process.send?.('ready')
