/** What ends a command without success: one line for standard error, and the exit code: 1 it failed, 2 it was asked wrongly; `simulate` has more. */
export class CliError extends Error {
  readonly exitCode: number

  constructor(exitCode: number, message: string, cause?: unknown) {
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

/** All is said: only the exit code is left. */
export function ended(exitCode: number): CliError {
  return new CliError(exitCode, '')
}

/** One line, whatever was thrown. */
export function lineOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error)
  return text.replace(/\s*\n\s*/g, ' ').trim()
}
