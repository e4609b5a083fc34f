/** The Log port for people: a line a message on standard error, coloured by level. `start` without a terminal logs JSON instead. */
import { styleText } from 'node:util'
import type { Log, LogFields } from '../base/log.ts'
import { systemClock } from '../base/system.ts'
import { pinoLog, type LogLevel } from '../node/pino-log.ts'
import type { Terminal } from './terminal.ts'

const RANK: Readonly<Record<LogLevel, number>> = { info: 0, warn: 1, error: 2, silent: 3 }

export function logFor(terminal: Terminal, node: string, level: LogLevel, pretty: boolean): Log {
  return pretty ? prettyLog(terminal, level) : pinoLog(node, level)
}

function prettyLog(terminal: Terminal, level: LogLevel): Log {
  const line = (of: 'info' | 'warn' | 'error', colour: 'dim' | 'yellow' | 'red') => (fields: LogFields, message: string) => {
    if (RANK[of] < RANK[level]) return
    const time = new Date(systemClock.now()).toISOString().slice(11, 23)
    const more = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(' ')
    terminal.err(styleText(colour, `${time} ${of} ${message}${more === '' ? '' : ` ${more}`}`, { stream: process.stderr }))
  }
  return { info: line('info', 'dim'), warn: line('warn', 'yellow'), error: line('error', 'red') }
}
