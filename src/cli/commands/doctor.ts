/** `doctor`: looks at machine, ports, store, clock and TLS before or beside a node, and says what to change. */
import { styleText } from 'node:util'
import type { Command } from 'commander'
import { systemClock } from '../../base/system.ts'
import { isMongodb } from '../../node/store-url.ts'
import type { Finding } from '../doctor/finding.ts'
import { clocks, kernel, memory, nodeVersion, openFiles, readText } from '../doctor/machine.ts'
import { portFree } from '../doctor/ports.ts'
import { storeChecks } from '../doctor/store.ts'
import { tlsChecks } from '../doctor/tls.ts'
import { failed } from '../failure.ts'
import { common, flag } from '../flags.ts'
import { example } from '../help.ts'
import { table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

interface DoctorFlags {
  readonly listen: string
  readonly rpcListen: string
  readonly adminListen: string
  readonly store: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly json?: true
}

const CLOCK_MS = 200

export function doctorCommand(program: Command, terminal: Terminal): void {
  common(program.command('doctor'))
    .addOption(flag('--listen <host:port>', 'client port to try').default('127.0.0.1:7000'))
    .addOption(flag('--rpc-listen <host:port>', 'rpc port to try; none = not').default('127.0.0.1:7100'))
    .addOption(flag('--admin-listen <host:port>', 'admin port to try; none = not').default('127.0.0.1:7200'))
    .addOption(flag('--store <where>', 'store to look at').default('sqlite:.troupe'))
    .addOption(flag('--tls-cert <file>', 'certificate to look at'))
    .addOption(flag('--tls-key <file>', 'its key'))
    .addOption(flag('--json', 'print {"ok":…,"findings":[…]}'))
    .summary('check this machine and say what to change')
    .description(
      'Checks Node, open files, kernel settings, ports, store, clock and TLS, and says what to change. Takes the flags of start. Exit 1 if a node could not run well.',
    )
    .addHelpText(
      'after',
      example(
        'troupe doctor\ntroupe doctor --store sqlite:/var/lib/troupe\ntroupe doctor --store mongodb://db1,db2,db3/troupe?replicaSet=rs0 \\\n--tls-cert chain.pem --tls-key key.pem\ntroupe doctor --config /etc/troupe.json --json',
      ),
    )
    .action(async (flags: DoctorFlags) => {
      const findings = await examine(flags)
      const bad = findings.filter(({ status }) => status === 'fail').length
      if (flags.json) terminal.out(JSON.stringify({ ok: bad === 0, findings }))
      else show(findings, terminal)
      if (bad > 0) throw failed(bad === 1 ? 'one check failed' : `${bad} checks failed`)
    })
}

async function examine(flags: DoctorFlags): Promise<Finding[]> {
  const { listen, rpcListen, adminListen, store, tlsCert, tlsKey } = flags
  return [
    nodeVersion(process.versions.node),
    openFiles(readText('/proc/self/limits') ?? ''),
    memory(readText),
    ...kernel(readText),
    await portFree('client', listen, '--listen'),
    ...(rpcListen === 'none' ? [] : [await portFree('rpc', rpcListen, '--rpc-listen')]),
    ...(adminListen === 'none' ? [] : [await portFree('admin', adminListen, '--admin-listen')]),
    ...(isMongodb(store) ? await mongodbFindings(store) : storeChecks(store)),
    await clocks(systemClock, CLOCK_MS),
    ...tlsChecks(tlsCert, tlsKey, systemClock.now()),
  ]
}

/** Loaded only when it is asked for: the driver is large. */
async function mongodbFindings(store: string): Promise<Finding[]> {
  const { mongodbChecks } = await import('../doctor/mongodb.ts')
  return mongodbChecks(store, systemClock)
}

const COLOUR = { ok: 'green', warn: 'yellow', fail: 'red' } as const

function show(findings: readonly Finding[], terminal: Terminal): void {
  const lines = table(findings.map(({ status, check, found }) => [status, check, found]))
  findings.forEach(({ status, advice }, i) => {
    const line = lines[i] as string
    terminal.out(`${styleText(COLOUR[status], line.slice(0, 4))}${line.slice(4)}`)
    if (advice !== undefined) terminal.out(`      ${advice}`)
  })
}
