/** Logging as a port: one line per lifecycle event, never payloads or tokens. `node.ts` gives it pino; tests give a list. */
export interface Log {
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

export const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
