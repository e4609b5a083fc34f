/** The Log port on pino: one JSON line per lifecycle event, to standard error (standard output is for listener lines and answers). */
import { pino } from 'pino'
import type { Log } from '../base/log.ts'

export type LogLevel = 'info' | 'warn' | 'error' | 'silent'

export function pinoLog(node: string, level: LogLevel = 'info'): Log {
  const logger = pino({ level, base: { node } }, pino.destination({ dest: 2, sync: true }))
  return {
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  }
}
