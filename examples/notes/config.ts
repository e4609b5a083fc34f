/** What the environment says, checked once, and the secret that everything is signed with. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface NotesConfig {
  /** Signs tokens and makes uids: the same on every node, and for ever. At least 32 characters. */
  readonly secret: string
  /** log2 of the cost of scrypt; 17 unless hashing is not what is measured. */
  readonly scryptLn: number
  readonly sessionMs: number
}

const SESSION_MS = 12 * 3_600_000

/**
 * `NOTES_SECRET`, or else a file `secret` in `NOTES_DIR` (default `.troupe/notes`), made when there is none. Several machines need the same
 * `NOTES_SECRET`. `NOTES_SCRYPT_LN` (4–20) and `NOTES_SESSION_MS` for tests and load.
 */
export function configFrom(env: Readonly<Record<string, string | undefined>>): NotesConfig {
  return {
    secret: env['NOTES_SECRET'] ?? secretOf(env['NOTES_DIR'] ?? '.troupe/notes'),
    scryptLn: whole('NOTES_SCRYPT_LN', env['NOTES_SCRYPT_LN'], 17, 4, 20),
    sessionMs: whole('NOTES_SESSION_MS', env['NOTES_SESSION_MS'], SESSION_MS, 1000, 365 * 24 * 3_600_000),
  }
}

/** The secret kept in a folder; made at the first call, readable for its owner only. Two processes that come at once get the same. */
export function secretOf(dir: string): string {
  const file = join(dir, 'secret')
  mkdirSync(dir, { recursive: true })
  if (!existsSync(file)) {
    try {
      writeFileSync(file, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  return readFileSync(file, 'utf8').trim()
}

function whole(name: string, given: string | undefined, otherwise: number, min: number, max: number): number {
  if (given === undefined || given === '') return otherwise
  const value = Number(given)
  if (!Number.isInteger(value) || value < min || value > max)
    throw new RangeError(`${name} must be a whole number from ${min} to ${max}, not ${given}`)
  return value
}
