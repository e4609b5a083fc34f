/** A gRPC server of its own with nothing but the cluster service, on a free port of this machine. */
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { addClusterService, clusterServerOptions, type GrpcTransport } from '../../src/transport/grpc.ts'
import type { ClusterTls } from '../../src/transport/security.ts'

export interface ClusterServer {
  readonly port: number
  stop(): void
}

/** Bound first, so that the transport can say which port it has. */
export async function startClusterServer(
  make: (port: number) => GrpcTransport,
  options: { readonly wireFrameBytes: number },
  tls: ClusterTls | null = null,
  asksCertificate = true,
): Promise<ClusterServer> {
  const server = new Server(clusterServerOptions(options))
  const credentials =
    tls === null
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(tls.ca, [{ cert_chain: tls.cert, private_key: tls.key }], asksCertificate)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)))
  })
  addClusterService(server, make(port))
  return { port, stop: () => server.forceShutdown() }
}
