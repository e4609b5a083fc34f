/** Real nodes on real ports, each behind a proxy that can freeze or break it. */
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { silentLog, type Log } from '../../src/base/log.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import { GrpcTransport } from '../../src/transport/grpc.ts'
import type { ClusterTls } from '../../src/transport/security.ts'
import { freePort } from '../support/ports.ts'
import { startClusterServer } from './cluster-server.ts'
import type { ContractNet } from './contract.ts'
import { TcpProxy } from './tcp-proxy.ts'

const WAIT_MS = 30_000

/** Looks again until it holds. The bound is for a machine that hangs; nothing is measured by it. */
export async function until(done: () => boolean, what: string): Promise<void> {
  const end = performance.now() + WAIT_MS
  while (!done()) {
    if (performance.now() > end) throw new Error(`${what}: did not hold within ${WAIT_MS} ms`)
    await pause(2)
  }
}

export interface GrpcNodeGiven {
  readonly generation?: number
  readonly cluster?: string
  readonly secrets?: readonly string[]
  readonly tls?: ClusterTls | null
  /** Whether its server asks callers for certificates. */
  readonly asksCertificate?: boolean
  readonly log?: Log
}

export interface GrpcNode {
  readonly transport: GrpcTransport
  readonly address: string
  readonly proxy: TcpProxy
  /** The server's own, behind the proxy. */
  readonly port: number
  stop(): Promise<void>
}

/** Shorter than the defaults, so that silence is found in the time of a test; long enough for a machine that does much else. */
export const WIRE_OPTIONS = { wireFrameBytes: 4 * 1024 * 1024, wireHandshakeMs: 5000, wirePingMs: 1500 }

export async function grpcNode(id: string, given: GrpcNodeGiven = {}): Promise<GrpcNode> {
  const { generation = 1, cluster = 'c', secrets = [], tls = null, asksCertificate = true, log = silentLog } = given
  const proxy = await TcpProxy.start()
  const address = `127.0.0.1:${proxy.port}`
  const transport = new GrpcTransport({
    self: { id, generation, address },
    cluster,
    security: { secrets: secrets.map((secret) => Buffer.from(secret)), tls },
    listenHost: '127.0.0.1',
    clock: systemClock,
    random: systemRandom,
    log,
    options: WIRE_OPTIONS,
  })
  const server = await startClusterServer(() => transport, WIRE_OPTIONS, tls, asksCertificate)
  proxy.to(server.port)
  return {
    transport,
    address,
    proxy,
    port: server.port,
    stop: async () => {
      await transport.close()
      server.stop()
      proxy.kill()
    },
  }
}

export async function grpcNet(): Promise<ContractNet> {
  const all: GrpcNode[] = []
  const byId = new Map<string, GrpcNode>()
  return {
    node: async (id, { cluster = 'c', secret = '', generation = 1 } = {}) => {
      const node = await grpcNode(id, { generation, cluster, secrets: secret === '' ? [] : [secret] })
      all.push(node)
      byId.set(id, node)
      return node
    },
    until,
    nowhere: `127.0.0.1:${await freePort()}`,
    freeze: (id) => byId.get(id)?.proxy.freeze(),
    thaw: (id) => byId.get(id)?.proxy.thaw(),
    kill: (id) => byId.get(id)?.proxy.kill(),
    idleMs: 3 * WIRE_OPTIONS.wirePingMs,
    mono: () => performance.now(),
    close: async () => {
      await Promise.all(all.map((node) => node.stop()))
    },
  }
}
