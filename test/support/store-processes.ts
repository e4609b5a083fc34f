/** Real processes for store tests: started, listened to, stopped, killed. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface Process {
  readonly child: ChildProcess
  readonly pid: number
  readonly lines: string[]
  /** What it wrote on stderr. */
  readonly errors: string[]
  /** Resolves at the first line that fits; rejects when the process ends before. */
  line(fits: (line: string) => boolean): Promise<string>
  /** Resolves with the signal or the exit code. */
  ended(): Promise<string | number>
}

/** Starts `test/support/<script>` with the Node that runs the tests. `wrap` is a command to run it under. */
export function startProcess(script: string, args: readonly string[], wrap: readonly string[] = []): Process {
  const path = fileURLToPath(new URL(`./${script}`, import.meta.url))
  const command = [...wrap, process.execPath, '--no-warnings', path, ...args]
  const child = spawn(command[0] as string, command.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    // What is started hundreds of times should not compile hundreds of times.
    env: { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: join(tmpdir(), 'troupe-test-compile-cache') },
  })
  const lines: string[] = []
  const errors: string[] = []
  const waiting = new Set<() => void>()
  let over = false
  const wake = (): void => waiting.forEach((check) => check())
  if (child.stdout === null || child.stderr === null) throw new Error('no pipes')
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line)
    wake()
  })
  createInterface(child.stderr).on('line', (line) => errors.push(line))
  // 'close' comes after the pipes are read to their end.
  const close = once(child, 'close').then(([code, signal]) => {
    over = true
    wake()
    return (signal ?? code) as string | number
  })
  const line = (fits: (line: string) => boolean): Promise<string> =>
    new Promise((resolve, reject) => {
      let seen = 0
      const check = (): void => {
        const found = lines.slice(seen).find(fits)
        seen = lines.length
        if (found === undefined && !over) return
        waiting.delete(check)
        if (found !== undefined) resolve(found)
        else
          reject(new Error(`${script} ended without the awaited line; it said:\n${[...lines.slice(-5), ...errors.slice(-10)].join('\n')}`))
      }
      waiting.add(check)
      check()
    })
  return { child, pid: child.pid as number, lines, errors, line, ended: () => close }
}
