/** Where a command speaks: answers on standard output, everything else on standard error. */
export interface Terminal {
  out(line: string): void
  /** A line on standard error. */
  err(line: string): void
  /** Replaces the last status; only where a person watches (standard error is a terminal). */
  status(text: string): void
  readonly interactive: boolean
}

// A reader that has seen enough (`troupe watch … | head -1`) closes the pipe: that ends the command, it is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

let shown = false

function clear(): void {
  if (shown) process.stderr.write('\r\u001b[K')
  shown = false
}

export const terminal: Terminal = {
  out: (line) => {
    clear()
    process.stdout.write(`${line}\n`)
  },
  err: (line) => {
    clear()
    process.stderr.write(`${line}\n`)
  },
  status: (text) => {
    if (!process.stderr.isTTY) return
    clear()
    process.stderr.write(text.slice(0, (process.stderr.columns ?? 80) - 1))
    shown = text !== ''
  },
  interactive: process.stderr.isTTY === true,
}
