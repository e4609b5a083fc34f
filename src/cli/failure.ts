/** What ends a command without success: one line for standard error, and the exit code: 1 it failed, 2 it was asked wrongly. */
export class CliError extends Error {
  readonly exitCode: 1 | 2

  constructor(exitCode: 1 | 2, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'CliError'
    this.exitCode = exitCode
  }
}

export function failed(message: string, cause?: unknown): CliError {
  return new CliError(1, message, cause)
}

export function misused(message: string): CliError {
  return new CliError(2, message)
}

/** One line, whatever was thrown. */
export function lineOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error)
  return text.replace(/\s*\n\s*/g, ' ').trim()
}
