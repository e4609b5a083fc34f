/**
 * Several nodes of one machine as one system: clients spread over their client ports, so of an event's ways to its owner all but one in N
 * cross nodes. Arguments: data directory, number of nodes.
 */
import { setTimeout } from 'node:timers/promises'
import { serveParent, startChild, type Child } from '../harness/child.ts'
import { freePorts } from '../harness/nodes.ts'

const directory = process.argv[2] as string
const count = Number(process.argv[3])
const PATIENCE_MS = 60_000

const rpcPorts = await freePorts(count)
const nodes = await Promise.all(
  rpcPorts.map((port, i) =>
    startChild(
      new URL('member.ts', import.meta.url),
      [directory, `bench-${i + 1}`, String(port), rpcPorts.join(',')],
      process.execArgv.filter((flag) => flag.startsWith('--max-semi-space-size') || flag.startsWith('--cpu-prof')),
    ),
  ),
)
await until(async () => (await each((node) => node.ask<number>('ready'))).every((ready) => ready === count))

serveParent(
  {
    ports: nodes.flatMap(({ ready }) => ready.ports),
    pids: Object.fromEntries(nodes.map(({ pid }, i) => [`node-${i + 1}`, pid])),
  },
  {
    recorded: async () => (await each((node) => node.ask<number>('recorded'))).reduce((sum, recorded) => sum + recorded, 0),
    routing: () => each((node) => node.ask<Record<string, number>>('routing')),
  },
  () => each((node) => node.stop()),
)

function each<T>(run: (node: Child) => Promise<T>): Promise<T[]> {
  return Promise.all(nodes.map(run))
}

async function until(there: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!(await there())) {
    if (performance.now() > end) throw new Error(`the ${count} nodes did not find each other in ${PATIENCE_MS} ms`)
    await setTimeout(50)
  }
}
