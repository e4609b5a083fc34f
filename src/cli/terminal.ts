/** Where a command speaks: answers on standard output, everything else on standard error. */
export interface Terminal {
  out(line: string): void
  /** A line on standard error. */
  err(line: string): void
  /** Replaces the last status; only where a person watches (standard error is a terminal). */
  status(text: string): void
  readonly interactive: boolean
}

/** As a shell tells of a tool that SIGPIPE ended: 128 and its number. Not 0: what was still to be said, a failure perhaps, was not heard. */
const SIGPIPE_CODE = 141

let unheard: 'ends' | 'goes on' = 'ends'

for (const [name, stream] of [
  ['output', process.stdout],
  ['error', process.stderr],
] as const)
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (unheard === 'goes on') return
    // A reader that has seen enough (`troupe history … | head -1`) closes the pipe.
    if (error.code === 'EPIPE') process.exit(SIGPIPE_CODE)
    process.stderr.write(`troupe: cannot write to standard ${name}: ${error.message}\n`)
    process.exit(process.argv[2] === 'simulate' ? 64 : 1)
  })

/** For a command whose work is not what it prints: a node goes on, also when nobody reads its lines any more. */
export function goOnUnheard(): void {
  unheard = 'goes on'
}

/** All that was printed is written, or failed to be, and then the process has ended. */
export async function written(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) await new Promise<void>((done) => stream.write('', () => done()))
}

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
