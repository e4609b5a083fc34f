/** Checks of a store directory: writable, on a local disk, with room, and a SQLite that is safe with several processes. */
import { accessSync, constants, existsSync, mkdtempSync, rmdirSync, statfsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { sqliteVersion } from '../commands/version.ts'
import { lineOf } from '../failure.ts'
import { fail, ok, warn, type Finding } from './finding.ts'

/** statfs(2) magic numbers of file systems where SQLite's WAL does not work (shared memory does not cross machines). */
const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x517b, 'SMB'],
  [0x01021997, '9p'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
])
const TMPFS = 0x01021994
const OVERLAY = 0x794c7630

export function storeChecks(where: string): Finding[] {
  const dir = /^sqlite:(.+)$/.exec(where)?.[1]
  if (dir === undefined) return [ok('store', `${where}: nothing to check`)]
  const path = resolve(dir)
  const there = nearest(path)
  return [writable(path, there), space(there), fileSystem(there), sqlite(sqliteVersion())]
}

/** The directory, or the nearest one above it that exists. */
function nearest(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : nearest(dirname(path))
}

function writable(path: string, there: string): Finding {
  try {
    accessSync(there, constants.R_OK | constants.W_OK | constants.X_OK)
    rmdirSync(mkdtempSync(`${there}/.troupe-doctor-`))
    return ok('store directory', path === there ? `${path} can be written` : `${path} will be made in ${there}`)
  } catch (error) {
    return fail(
      'store directory',
      `${there} cannot be written: ${lineOf(error)}`,
      'let the user of the node own it, or choose another with --store sqlite:DIR',
    )
  }
}

function space(there: string): Finding {
  const { bavail, bsize } = statfsSync(there)
  const bytes = bavail * bsize
  const found = `${(bytes / 2 ** 30).toFixed(1)} GiB free`
  if (bytes < 64 * 2 ** 20) return fail('disk space', found, 'free some space: without it every event is answered store_unavailable')
  return bytes < 2 ** 30 ? warn('disk space', found, 'journals grow: keep at least 1 GiB free') : ok('disk space', found)
}

function fileSystem(there: string): Finding {
  const type = statfsSync(there).type >>> 0
  const network = NETWORK.get(type)
  if (network !== undefined)
    return fail('file system', network, 'SQLite loses data on network file systems: choose a local disk with --store sqlite:DIR')
  if (type === TMPFS)
    return warn('file system', 'tmpfs', 'everything is gone when the machine restarts: choose a disk with --store sqlite:DIR')
  if (type === OVERLAY)
    return warn('file system', 'overlay', 'everything is gone with the container: mount a volume for --store sqlite:DIR')
  return ok('file system', `local (0x${type.toString(16)})`)
}

/** Before 3.51.3 several processes on one WAL can damage the file. */
function sqlite(version: string): Finding {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(version)
  if (match === null)
    return fail('sqlite', version, 'better-sqlite3 does not load: install it again (npm rebuild better-sqlite3) for this Node and platform')
  const [major, minor, patch] = match.slice(1).map(Number) as [number, number, number]
  const safe = major > 3 || (major === 3 && (minor > 51 || (minor === 51 && patch >= 3)))
  return safe
    ? ok('sqlite', version)
    : fail('sqlite', version, 'update better-sqlite3: SQLite before 3.51.3 can damage a file that several processes write')
}
