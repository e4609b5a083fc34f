/** `version`: of Troupe and of what it runs on. */
import { createRequire } from 'node:module'
import { arch, platform, release } from 'node:os'
import type { Command } from 'commander'
import { troupeVersion } from '../../node/version.ts'
import { common, flag } from '../flags.ts'
import { example } from '../help.ts'
import { table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

export function versionCommand(program: Command, terminal: Terminal): void {
  common(program.command('version'))
    .addOption(flag('--json', 'print as JSON'))
    .summary('print versions')
    .description('Prints the versions of Troupe and of what it runs on: what a bug report needs.')
    .addHelpText('after', example('troupe version\ntroupe version --json'))
    .action((flags: { readonly json?: true }) => {
      const versions = {
        troupe: troupeVersion(),
        node: process.versions.node,
        sqlite: sqliteVersion(),
        betterSqlite3: packageVersion('better-sqlite3'),
        platform: `${platform()} ${arch()} ${release()}`,
      }
      if (flags.json) return terminal.out(JSON.stringify(versions))
      for (const line of table(Object.entries(versions).map(([name, version]) => [name, version]))) terminal.out(line)
    })
}

const require = createRequire(import.meta.url)

/** Of the library that the store runs on, not of the one inside Node. */
export function sqliteVersion(): string {
  try {
    const Database = require('better-sqlite3') as new (file: string) => {
      prepare(sql: string): { pluck(): { get(): string } }
      close(): void
    }
    const database = new Database(':memory:')
    const version = database.prepare('SELECT sqlite_version()').pluck().get()
    database.close()
    return version
  } catch (error) {
    return `not usable: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`
  }
}

function packageVersion(name: string): string {
  try {
    return (require(`${name}/package.json`) as { readonly version: string }).version
  } catch {
    return 'not installed'
  }
}
