/** What SQLite's and the system's errors mean to a caller, as StoreErrors that name the file and say what to do (S7). */
import { StoreError } from './store.ts'
import type { Trouble } from './sqlite-messages.ts'

/** Where in a transaction the error came: only at 'commit' is it unknown whether it was applied. */
export type Phase = 'before' | 'commit'

export function storeErrorOf(error: unknown, file: string, phase: Phase): StoreError {
  if (error instanceof StoreError) return error
  const code = codeOf(error)
  const said = error instanceof Error ? error.message : String(error)
  const refused = (reason: StoreError['reason'], what: string): StoreError =>
    new StoreError('refused', reason, `${file}: ${what} (${said})`)
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code === 'EDQUOT')
    return refused('full', 'the disk is full. Make space on that file system; the store goes on by itself')
  if (code.startsWith('SQLITE_READONLY') || code === 'SQLITE_PERM' || code === 'EROFS' || code === 'EACCES' || code === 'EPERM')
    return refused(
      'readonly',
      'it cannot be written. Give this user write permission on the directory and its files, or choose another with --store sqlite:DIR',
    )
  if (code === 'SQLITE_NOTADB')
    return refused(
      'corrupt',
      'it is not a SQLite database. Move it away or restore it from a backup, or choose another directory with --store sqlite:DIR',
    )
  if (code.startsWith('SQLITE_CORRUPT'))
    return refused('corrupt', 'the database is damaged. Stop all processes that use it, keep a copy, and restore it from a backup')
  if (isBusy(error)) return refused('busy', 'it is locked by another program. End that program, or give each its own directory')
  if (code === 'SQLITE_CANTOPEN' || code === 'ENOENT' || code === 'ENOTDIR')
    return refused('io', 'it cannot be opened. Check that the directory exists and that this user may enter it')
  // An error of the disk while committing: the end of the transaction may or may not have reached it.
  const outcome = phase === 'commit' ? 'unknown' : 'refused'
  return new StoreError(
    outcome,
    'io',
    `${file}: reading or writing failed (${code === '' ? '' : `${code}: `}${said}). Check the disk and the system's log`,
  )
}

export function isBusy(error: unknown): boolean {
  const code = codeOf(error)
  return code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED') || code === 'SQLITE_PROTOCOL'
}

export function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as Error & { readonly code?: unknown }).code : undefined
  return typeof code === 'string' ? code : ''
}

export function troubleOf(error: StoreError): Trouble {
  return { outcome: error.outcome, reason: error.reason, message: error.message }
}

export function errorOfTrouble({ outcome, reason, message }: Trouble): StoreError {
  return new StoreError(outcome, reason, message)
}
