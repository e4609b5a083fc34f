/** One node of a cluster on the embedded store. Arguments: data directory, its name, its rpc port, the rpc ports of all (a,b,c). */
import { startNode } from '../../src/node.ts'
import { serveParent } from '../harness/child.ts'
import { benchApp } from './app.ts'

const [directory, name, rpcPort, rpcPorts] = process.argv.slice(2) as [string, string, string, string]
const node = await startNode({
  app: benchApp,
  node: name,
  listen: '127.0.0.1:0',
  rpcListen: `127.0.0.1:${rpcPort}`,
  join: rpcPorts.split(',').map((port) => `127.0.0.1:${port}`),
  cluster: 'bench',
  adminListen: null,
  store: `sqlite:${directory}`,
  mode: 'start',
})
serveParent(
  { ports: [Number(new URL(node.clientUrl as string).port)], pids: {} },
  {
    recorded: () => node.engine.stats().counters['events'] ?? 0,
    ready: () => node.member?.view().members.filter(({ phase, liveness }) => phase === 'ready' && liveness === 'alive').length ?? 0,
    routing: () => node.member?.router.stats().counters ?? {},
  },
  () => node.stop(),
)
