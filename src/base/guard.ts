import type { Log } from './log.ts'

/**
 * Runs what belongs to somebody else (a caller's callback, one of many members of a loop), so that its failure is logged and ends
 * neither the loop nor the process.
 */
export function guarded(log: Log, what: string, run: () => void): void {
  try {
    run()
  } catch (error) {
    log.error({}, `${what} threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }
}
