/** Strangers, garbage and dead machines on a real port: each ends its own connection, and the node goes on. */
import { readdirSync, readlinkSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Client, credentials, Metadata, status, type ClientDuplexStream } from '@grpc/grpc-js'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLog, type Log } from '../../src/base/log.ts'
import { seeded } from '../../src/base/random.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import { decodeFrame, encodeFrame, type Control, type Frame } from '../../src/transport/frames.ts'
import { GrpcTransport } from '../../src/transport/grpc.ts'
import { Handshake } from '../../src/transport/handshake.ts'
import { freePort } from '../support/ports.ts'
import { startProcess, type Process } from '../support/store-processes.ts'
import { startClusterServer } from './cluster-server.ts'
import { Ear, Ears } from './ear.ts'
import { grpcNode, until, WIRE_OPTIONS, type GrpcNode } from './grpc-net.ts'

let node: GrpcNode
let friend: GrpcNode
let ears: Ears
let taken: Ear[]
const clients: Client[] = []
const processes: Process[] = []

beforeEach(async () => {
  ears = new Ears()
  node = await grpcNode('node')
  friend = await grpcNode('friend')
  taken = ears.listen(node.transport, (ear) => (ear.onMessage = (bytes) => ear.wire?.send(bytes)))
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  // To their end: the next test counts sockets, and pipes to a process are some.
  for (const each of processes.splice(0)) {
    each.child.kill('SIGKILL')
    await each.ended()
  }
  await Promise.all([node.stop(), friend.stop()])
  ears.check()
})

async function stillServes(): Promise<void> {
  const ear = ears.dial(friend.transport, node.address)
  ear.send('are you there')
  await until(() => ear.messages.length === 1 || ear.end !== null, 'it answers')
  expect(ear.end).toBeNull()
  ear.close()
}

type Raw = ClientDuplexStream<Buffer, Buffer>

/** A stream of a client that sends what it likes. */
function raw(method = 'Link', port = node.port): { call: Raw; ended: () => boolean; code: () => number | null; received: Buffer[] } {
  const client = new Client(`dns:127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  clients.push(client)
  const same = (bytes: Buffer): Buffer => bytes
  const call = client.makeBidiStreamRequest(`/troupe.v1.Cluster/${method}`, same, same, new Metadata())
  let code: number | null = null
  const received: Buffer[] = []
  call.on('data', (bytes: Buffer) => received.push(bytes))
  call.on('error', () => undefined)
  call.on('status', (how) => (code = how.code))
  return { call, ended: () => code !== null, code: () => code, received }
}

/** Through the handshake with its own hands: then it may send anything. */
async function member(): Promise<ReturnType<typeof raw>> {
  const random = seeded(Math.random())
  const stream = raw()
  const handshake = new Handshake({
    side: 'dialler',
    channel: 'data',
    cluster: 'c',
    self: { id: 'stranger', generation: 1, address: 'x:1' },
    boot: random.bytes(16),
    nonce: random.bytes(32),
    security: { secrets: [], tls: null },
    evidence: () => ({ loopback: true, certificate: null, hostMatches: false }),
  })
  const say = (frames: readonly Control[]): void => frames.forEach((frame) => void stream.call.write(encodeFrame(frame)))
  say(handshake.start())
  for (let i = 0; ; i++) {
    await until(() => stream.received.length > i, 'it is answered')
    const step = handshake.take(decodeFrame(stream.received[i] as Buffer))
    if (step.kind === 'open') return stream
    if (step.kind !== 'wait') throw new Error(`not let in: ${JSON.stringify(step)}`)
    say(step.send)
  }
}

describe('garbage', () => {
  it('before the handshake ends the stream, and no user hears of it', async () => {
    const hello: Control = {
      kind: 'hello',
      hello: { version: 1, oldest: 1, cluster: 'c', id: 'x', generation: 1, address: '', boot: Buffer.alloc(16), nonce: Buffer.alloc(32) },
    }
    const openings: Frame[][] = [
      [Buffer.from('data')],
      [{ kind: 'proof', mac: Buffer.alloc(32) }],
      [{ kind: 'close' }],
      [hello, hello],
      [hello, Buffer.from('data')],
    ]
    const streams = openings.map((frames) => {
      const stream = raw()
      for (const frame of frames) stream.call.write(encodeFrame(frame))
      return stream
    })
    const empty = raw()
    empty.call.write(Buffer.alloc(0))
    await until(() => [...streams, empty].every((stream) => stream.ended()), 'all ended')
    expect(taken).toEqual([])
    await stillServes()
  })

  it('of any bytes, through the handshake or not, ends its own stream only', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { minLength: 1, maxLength: 5 }),
        async (inside, messages) => {
          const stream = inside ? await member() : raw()
          // Data and pings are no garbage for a member.
          const legal = messages.every((bytes) => {
            const frame = decodeFrame(Buffer.from(bytes))
            return frame instanceof Uint8Array || frame.kind === 'ping'
          })
          for (const bytes of messages) stream.call.write(Buffer.from(bytes))
          if (inside && legal) stream.call.end()
          else await until(() => stream.ended(), 'it ended')
        },
      ),
      { numRuns: 60 },
    )
    await until(() => taken.every((ear) => ear.end !== null), 'no wire is left')
    await stillServes()
  })

  it('a message over the limit, and one that unpacks to more, end their stream only', async () => {
    const stream = await member()
    stream.call.write(Buffer.alloc(WIRE_OPTIONS.wireFrameBytes + 100))
    await until(() => stream.ended() && taken[0]?.end === 'lost', 'it ended')
    await stillServes()
  })

  it('raw bytes on the port, HTTP/2 or not, do the node no harm', async () => {
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    const frame = (type: number, flags: number, id: number, payload: Uint8Array): Buffer => {
      const head = Buffer.alloc(9)
      head.writeUIntBE(payload.length, 0, 3)
      head[3] = type
      head[4] = flags
      head.writeUInt32BE(id, 5)
      return Buffer.concat([head, payload])
    }
    const http2 = fc
      .array(
        fc.record({
          type: fc.nat(10),
          flags: fc.nat(255),
          id: fc.constantFrom(0, 1, 2, 3, 2 ** 31 - 1),
          payload: fc.uint8Array({ maxLength: 60 }),
        }),
        { maxLength: 6 },
      )
      .map((frames) =>
        Buffer.concat([
          preface,
          frame(4, 0, 0, Buffer.alloc(0)),
          ...frames.map(({ type, flags, id, payload }) => frame(type, flags, id, payload)),
        ]),
      )
    const anything = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes))
    const sockets: Socket[] = []
    await fc.assert(
      fc.asyncProperty(fc.oneof(http2, anything, fc.constant(Buffer.from('GET / HTTP/1.1\r\n\r\n'))), async (bytes) => {
        const socket = connect(node.port, '127.0.0.1')
        sockets.push(socket)
        socket.on('error', () => undefined)
        socket.resume()
        await new Promise<void>((resolve) => socket.write(bytes, () => resolve()))
        socket.end()
      }),
      { numRuns: 150 },
    )
    await stillServes()
    for (const socket of sockets) socket.destroy()
    expect(taken.length).toBe(1)
  })
})

describe('strangers', () => {
  it('who say nothing are ended after the handshake’s time', async () => {
    const silent = [raw('Link'), raw('Gossip')]
    await until(() => silent.every((stream) => stream.ended()), 'all ended')
    expect(taken).toEqual([])
  })

  it('are bounded: of more than 256 at once the others are refused', async () => {
    // Nobody times out while they are counted.
    const patient = transport({ wireHandshakeMs: 60_000 })
    patient.listen(() => new Ear())
    const server = await startClusterServer(() => patient, WIRE_OPTIONS)
    const many = Array.from({ length: 300 }, () => raw('Link', server.port))
    await until(() => many.filter((stream) => stream.ended()).length >= 44, 'some are refused')
    await patient.close()
    await until(() => many.every((stream) => stream.ended()), 'the others are ended')
    // A stream that is refused has a status; one that is given up is reset.
    expect(many.filter((stream) => stream.code() === status.UNAVAILABLE).length).toBe(300 - 256)
    server.stop()
  })
})

/** As the kernel counts them: Node's own list leaves out what does not keep the process alive. Elsewhere than on Linux, none. */
function sockets(): number {
  if (process.platform !== 'linux') return 0
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
    } catch {
      return false // closed meanwhile
    }
  }).length
}

function transport(options: Partial<typeof WIRE_OPTIONS>, log: Log = silentLog): GrpcTransport {
  return new GrpcTransport({
    self: { id: 'loud', generation: 1, address: 'x:1' },
    cluster: 'c',
    security: { secrets: [], tls: null },
    listenHost: '127.0.0.1',
    clock: systemClock,
    random: systemRandom,
    log,
    options: { ...WIRE_OPTIONS, ...options },
  })
}

describe('machines', () => {
  async function far(): Promise<{ process: Process; address: string }> {
    const process = startProcess('../transport/node-process.ts', [])
    processes.push(process)
    const [, port] = (await process.line((line) => line.startsWith('port '))).split(' ')
    return { process, address: `127.0.0.1:${port}` }
  }

  it('a process killed with SIGKILL is lost, then refused', async () => {
    const { process, address } = await far()
    const ear = ears.dial(node.transport, address)
    ear.send('one')
    await until(() => ear.messages.length === 1, 'it answers')
    process.child.kill('SIGKILL')
    await until(() => ear.end !== null, 'it is told')
    expect(ear.end).toBe('lost')
    // A dying process closes its connections and its port one after the other: a dial between the two is taken by the port and then reset.
    await process.ended()
    const next = ears.dial(node.transport, address)
    await until(() => next.end !== null, 'it is told')
    expect(next.end).toBe('refused')
  })

  it('a process stopped with SIGSTOP is lost by silence and holds no socket here; when it goes on it can be dialled', async () => {
    const { process: stopped, address } = await far()
    const before = sockets()
    const ear = ears.dial(node.transport, address)
    await until(() => ear.peer !== null, 'it opens')
    if (process.platform === 'linux') expect(sockets()).toBe(before + 1)
    stopped.child.kill('SIGSTOP')
    await until(() => ear.end !== null, 'the silence is found')
    expect(ear.end).toBe('lost')
    await until(() => sockets() <= before, 'its socket is gone')
    stopped.child.kill('SIGCONT')
    const again = ears.dial(node.transport, address)
    again.send('two')
    await until(() => again.messages.length === 1, 'it answers')
  })

  it('bytes that wait for a stopped process hold no socket here once the wire is over', async () => {
    const { process: stopped, address } = await far()
    const before = sockets()
    const ear = ears.dial(node.transport, address)
    await until(() => ear.peer !== null, 'it opens')
    stopped.child.kill('SIGSTOP')
    for (let i = 0; i < 70; i++) ear.send(Buffer.alloc(1024 * 1024))
    await until(() => ear.end !== null, 'it is over')
    expect(ear.end).toBe('overflow')
    await until(() => sockets() <= before, 'its socket is gone')
  })

  it('dials to a machine that takes connections and says nothing leave no sockets behind', async () => {
    const held: Socket[] = []
    // Never read: not even the end of a connection is seen, as with a stopped process.
    const server = createServer({ pauseOnConnect: true }, (socket) => held.push(socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const before = sockets()
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const dials = Array.from({ length: 20 }, () => ears.dial(node.transport, address))
    await until(() => dials.every((ear) => ear.end !== null), 'all are told')
    expect(dials.map((ear) => ear.end)).toEqual(dials.map(() => 'unreachable'))
    expect(held.length).toBe(20)
    await until(() => sockets() - before <= held.length, 'ours are gone')
    for (const socket of held) socket.destroy()
    server.close()
  })

  it('close does not wait for a machine that says nothing', async () => {
    const server = createServer({ pauseOnConnect: true }, (socket) => held.push(socket))
    const held: Socket[] = []
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    // The handshake's own time is longer than the test has.
    const patient = transport({ wireHandshakeMs: 60_000 })
    const ear = ears.dial(patient, `127.0.0.1:${(server.address() as AddressInfo).port}`)
    await until(() => held.length === 1, 'it is connected')
    await patient.close()
    await until(() => ear.end !== null, 'it is told')
    expect(ear.end).toBe('closed')
    for (const socket of held) socket.destroy()
    server.close()
  }, 40_000)

  it('a dial that was refused does not go on trying by itself', async () => {
    const port = await freePort()
    const ear = ears.dial(node.transport, `127.0.0.1:${port}`)
    await until(() => ear.end !== null, 'it is told')
    let came = 0
    const server = createServer((socket) => {
      came++
      socket.destroy()
    })
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    // grpc-js would try again after 0.8 to 1.2 seconds.
    const enough = performance.now() + 2000
    await until(() => performance.now() > enough, 'time for it')
    expect(came).toBe(0)
    server.close()
  })

  it('a name that is not found, an address that is none, and a port that is another service’s', async () => {
    const server = createServer((socket) => socket.end('SMTP ready\r\n').on('error', () => undefined))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const other = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const ends: Record<string, unknown> = {}
    for (const address of ['no-such-host.invalid:7100', 'nonsense', 'unix:/tmp/x', 'h:99999', 'a:1/../b:2', '', other]) {
      const ear = ears.dial(node.transport, address)
      await until(() => ear.end !== null, address)
      ends[address] = ear.end
    }
    expect(Object.values(ends)).toEqual(Object.keys(ends).map(() => 'unreachable'))
    server.close()
  })

  it('an rpc port without the cluster service is denied, with a hint', async () => {
    const { Server, ServerCredentials } = await import('@grpc/grpc-js')
    const server = new Server()
    const port = await new Promise<number>((resolve) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => resolve(bound)),
    )
    const ear = ears.dial(node.transport, `127.0.0.1:${port}`)
    await until(() => ear.end !== null, 'it is told')
    expect([ear.end, ear.why]).toEqual(['denied', expect.stringContaining('rpc port')])
    server.forceShutdown()
  })

  it('a user who throws in a callback ends nothing', async () => {
    const lines: string[] = []
    const loud = transport({}, { ...silentLog, error: (_, message) => lines.push(message) })
    let got = 0
    const wire = loud.dial(node.address, 'data', {
      opened: () => {
        throw new Error('in opened')
      },
      message: () => {
        got++
        throw new Error('in message')
      },
      closed: () => {
        throw new Error('in closed')
      },
    })
    wire.send(Buffer.from('one'))
    wire.send(Buffer.from('two'))
    await until(() => got === 2, 'both came back')
    await loud.close()
    await until(() => lines.length === 4, 'all are logged')
    expect(lines.map((line) => /in (opened|message|closed)/.exec(line)?.[0])).toEqual([
      'in opened',
      'in message',
      'in message',
      'in closed',
    ])
  })
})
