/** A node in a process of its own that sends everything back; for tests that kill and stop it. Prints its port. */
import { silentLog } from '../../src/base/log.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import { GrpcTransport } from '../../src/transport/grpc.ts'
import { startClusterServer } from './cluster-server.ts'

const options = { wireFrameBytes: 4 * 1024 * 1024, wireHandshakeMs: 5000, wirePingMs: 1500 }
const server = await startClusterServer((port) => {
  const transport = new GrpcTransport({
    self: { id: 'far', generation: 1, address: `127.0.0.1:${port}` },
    cluster: 'c',
    security: { secrets: [], tls: null },
    listenHost: '127.0.0.1',
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    options,
  })
  transport.listen((_, wire) => ({ opened: () => undefined, message: (bytes) => wire.send(bytes), closed: () => undefined }))
  return transport
}, options)
process.stdout.write(`port ${server.port}\n`)
