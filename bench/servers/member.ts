/**
 * One node of a cluster on the embedded store. Arguments: data directory, its name, its rpc port, the rpc ports of all (a,b,c),
 * and, for benches that end and start nodes again, `MemberSettings` as JSON.
 */
import { startNode, type NodeConfig } from '../../src/node.ts'
import { serveParent } from '../harness/child.ts'
import { benchApp } from './app.ts'

export interface MemberSettings {
  /** Of the client listener; any, if absent. */
  readonly port?: number
  readonly roles?: NonNullable<NodeConfig['roles']>
  readonly options?: NonNullable<NodeConfig['options']>
}

const [directory, name, rpcPort, rpcPorts, settingsJson = '{}'] = process.argv.slice(2) as [string, string, string, string, string?]
const { port = 0, roles, options } = JSON.parse(settingsJson) as MemberSettings
const node = await startNode({
  app: benchApp,
  node: name,
  listen: `127.0.0.1:${port}`,
  rpcListen: `127.0.0.1:${rpcPort}`,
  join: rpcPorts.split(',').map((other) => `127.0.0.1:${other}`),
  cluster: 'bench',
  adminListen: null,
  store: `sqlite:${directory}`,
  mode: 'start',
  ...(roles !== undefined && { roles }),
  ...(options !== undefined && { options }),
})

serveParent(
  { ports: node.clientUrl === null ? [] : [Number(new URL(node.clientUrl).port)], pids: {} },
  {
    recorded: () => node.engine.stats().counters['events'] ?? 0,
    ready: () => node.member?.view().members.filter(({ phase, liveness }) => phase === 'ready' && liveness === 'alive').length ?? 0,
    routing: () => node.member?.router.stats().counters ?? {},
    /** Owners of actors `user/u0` … `user/u(count − 1)` in this node's view; '' for none. */
    owners: (count: number) => Array.from({ length: count }, (_, i) => node.member?.placement.ownerOf(`user/u${i}`)?.id ?? ''),
    /** As SIGTERM does to `troupe start`: hands over, moves its clients, leaves. */
    drain: () => node.drain(),
  },
  () => node.stop(),
)
