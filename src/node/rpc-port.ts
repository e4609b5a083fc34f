/** The rpc port of a node: services of others (CONTRACT §5) and the other nodes come in here. */
import type { ActorCalls } from '../actors/calls.ts'
import { systemRandom } from '../base/system.ts'
import type { Transport } from '../cluster/transport.ts'
import { createRpcServer, type RpcServer } from '../gateway/grpc/rpc-server.ts'
import { OptionError } from '../options.ts'
import { addClusterService, GrpcTransport } from '../transport/grpc.ts'
import type { ClusterSecurity } from '../transport/security.ts'
import { authority, isLoopback, parseAddress, type Address } from './address.ts'
import { listen, pem } from './listeners.ts'
import type { Settings } from './settings.ts'
import { StartError } from './start-error.ts'
import type { Undo } from './undo.ts'

export interface RpcPort {
  readonly server: RpcServer
  readonly transport: Transport
  /** As bound. */
  readonly bound: string
  /** HOST:PORT that others are told. */
  readonly address: string
}

/** Opens the port. Whatever asks for actors gets `calls`. */
export async function openRpcPort(
  settings: Settings,
  at: Address,
  generation: number,
  calls: ActorCalls,
  undo: Undo,
  graceMs: () => number,
): Promise<RpcPort> {
  const { app, node, cluster, clock, log, options, devTokens, rpcTls } = settings
  const tls = rpcTls === null ? null : { cert: pem('rpcTls.cert', rpcTls.cert), key: pem('rpcTls.key', rpcTls.key) }
  const ca = rpcTls?.ca === undefined ? undefined : pem('rpcTls.ca', rpcTls.ca)
  const server = createRpcServer({
    app,
    calls,
    clock,
    random: systemRandom,
    log,
    options,
    mode: devTokens ? 'dev' : 'start',
    tls: tls === null ? null : { ...tls, ...(ca !== undefined && { ca }) },
  })
  undo.add(() => server.stop(graceMs()))
  const bound = await listen(server.listener, at, 'rpc', '--rpc-listen')
  const address = advertised(settings, at, bound)
  const security: ClusterSecurity = {
    secrets: settings.secrets,
    tls: tls === null || ca === undefined ? null : { ca: Buffer.from(ca), cert: Buffer.from(tls.cert), key: Buffer.from(tls.key) },
  }
  const transport = new GrpcTransport({
    self: { id: node, generation, address },
    cluster,
    security,
    listenHost: at.host,
    clock,
    random: systemRandom,
    log,
    options,
  })
  addClusterService(server.server, transport)
  undo.add(() => transport.close())
  return { server, transport, bound, address }
}

/** What others dial: what was said, else the address as bound, if others can use it. */
function advertised({ advertise, join }: Settings, at: Address, bound: string): string {
  const port = parseAddress(bound)
  if ('wrong' in port) throw new StartError(`the rpc port is bound to '${bound}', which is no address`)
  if (advertise !== null) return authority(advertise.host, advertise.port === 0 ? port.port : advertise.port)
  const everywhere = at.host === '' || at.host === '0.0.0.0' || at.host === '::'
  if (!everywhere) return isLoopback(at.host) || port.port !== at.port ? bound : authority(at.host, at.port)
  if (join.some((seed) => !isLoopback(hostOf(seed))))
    throw new OptionError(`the rpc port listens on every address: say with --advertise HOST:PORT under which one other nodes reach it`)
  return authority('127.0.0.1', port.port)
}

function hostOf(seed: string): string {
  const parsed = parseAddress(seed)
  return 'wrong' in parsed ? seed : parsed.host
}
