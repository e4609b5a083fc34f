/** One end of a wire between two nodes, in a process of its own. Echoes what comes; asked to, it dials the other end and measures. */
import { silentLog } from '../../src/base/log.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import type { Wire } from '../../src/cluster/transport.ts'
import { OPTIONS } from '../../src/options.ts'
import { GrpcTransport } from '../../src/transport/grpc.ts'
import { startClusterServer } from '../../test/transport/cluster-server.ts'
import { serveParent } from '../harness/child.ts'

const [id = 'a'] = process.argv.slice(2)
const options = {
  wireFrameBytes: OPTIONS.wireFrameBytes.value,
  wireHandshakeMs: OPTIONS.wireHandshakeMs.value,
  wirePingMs: OPTIONS.wirePingMs.value,
}
let transport: GrpcTransport | null = null
const server = await startClusterServer((port) => {
  transport = new GrpcTransport({
    self: { id, generation: 1, address: `127.0.0.1:${port}` },
    cluster: 'bench',
    security: { secrets: [Buffer.from('the secret of the bench cluster')], tls: null },
    listenHost: '127.0.0.1',
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    options,
  })
  transport.listen((_, wire) => ({ opened: () => undefined, message: (bytes) => wire.send(bytes), closed: () => undefined }))
  return transport
}, options)

interface Echo {
  readonly port: number
  /** Events of 56 bytes in a message. */
  readonly batch: number
  /** Events that may be under way. */
  readonly window: number
  readonly seconds: number
}

/** Closed loop: as many messages as the window holds, the next when one came back. Resolves with events that came back in a second. */
function echo({ port, batch, window, seconds }: Echo): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const message = Buffer.alloc(56 * batch, 7)
  const under = Math.max(1, Math.floor(window / batch))
  let back = 0
  let from = 0
  const wire = transport?.dial(`127.0.0.1:${port}`, 'data', {
    opened: () => {
      from = performance.now()
      for (let i = 0; i < under; i++) (wire as Wire).send(message)
    },
    message: (bytes) => {
      if (bytes.length !== message.length) return reject(new Error(`${bytes.length} bytes came back, not ${message.length}`))
      back += batch
      const now = performance.now()
      if (now - from < seconds * 1000) return (wire as Wire).send(message)
      ;(wire as Wire).close()
      resolve((back * 1000) / (now - from))
    },
    closed: (end, why) => reject(new Error(`${end}: ${why}`)),
  })
  return promise
}

serveParent({ ports: [server.port], pids: {} }, { echo }, async () => {
  await transport?.close()
  server.stop()
})
