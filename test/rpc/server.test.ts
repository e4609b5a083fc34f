/** The rpc port as a whole: health, reflection, limits, drain and stop, services of others. */
import { credentials, loadPackageDefinition, Metadata, type Client, type ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { protoPath as healthProto } from 'grpc-health-check'
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { startRig, Stream, turns, until, type Rig } from './rpc-rig.ts'

let rig: Rig
afterEach(() => rig.stop())

const event = { actor: 'user/alice', type: 'note.added', data: 1 }
const GOING = { status: 14, error: { code: 'unavailable', retryable: true } }

type Unary = (request: object, answer: (error: { code: number } | null, reply: object) => void) => void
interface HealthClient extends Client {
  Check: Unary
  List: Unary
  Watch(request: object): ConstructorParameters<typeof Stream>[0]
}

function healthClient(): HealthClient {
  const { grpc } = loadPackageDefinition(loadSync(healthProto, { enums: String, defaults: true })) as unknown as {
    readonly grpc: { readonly health: { readonly v1: { readonly Health: new (address: string, creds: object) => HealthClient } } }
  }
  return new grpc.health.v1.Health(rig.address, credentials.createInsecure())
}

const ask = (client: HealthClient, method: 'Check' | 'List', request: object): Promise<object> =>
  new Promise((resolve) => client[method](request, (error, reply) => resolve(error === null ? reply : { code: error.code })))

describe('health', () => {
  it('of the node and of each service', async () => {
    rig = await startRig()
    const client = healthClient()
    expect(await ask(client, 'Check', {})).toEqual({ status: 'SERVING' })
    expect(await ask(client, 'Check', { service: 'troupe.v1.Actors' })).toEqual({ status: 'SERVING' })
    expect(await ask(client, 'Check', { service: 'nobody' })).toEqual({ code: 5 })
    expect(await ask(client, 'List', {})).toEqual({
      statuses: { '': { status: 'SERVING' }, 'troupe.v1.Actors': { status: 'SERVING' } },
    })
    client.close()
  })

  it('a drain tells watchers NOT_SERVING before it ends any stream', async () => {
    rig = await startRig()
    const client = healthClient()
    const told: string[] = []
    const watch = new Stream(client.Watch({ service: 'troupe.v1.Actors' }))
    watch.call.on('data', ({ status }: { status: string }) => void told.push(`watch ${status}`))
    const unknown = new Stream(client.Watch({ service: 'nobody' }))
    expect(await unknown.next()).toEqual({ status: 'SERVICE_UNKNOWN' })
    await until(() => told.length === 1, 'the first status')
    const stream = rig.client().subscribe({ actor: 'user/alice', topic: 'feed' })
    await stream.next()
    const order = stream.ended.then(() => told.push('stream ended'))
    await rig.rpc.drain()
    await order
    await until(() => told.length === 3, 'all of it')
    expect(told[0]).toBe('watch SERVING')
    expect(told).toContain('watch NOT_SERVING')
    expect(await ask(client, 'Check', {})).toEqual({ status: 'NOT_SERVING' })
    client.close()
  })
})

describe('reflection', () => {
  it.each(['v1', 'v1alpha'])('%s lists the services and describes them', async (version) => {
    rig = await startRig()
    const require = createRequire(import.meta.url)
    const folder = join(dirname(require.resolve('@grpc/reflection')), '..', 'proto', 'grpc', 'reflection', version, 'reflection.proto')
    const { grpc } = loadPackageDefinition(loadSync(folder, { defaults: true, oneofs: true })) as unknown as {
      readonly grpc: {
        readonly reflection: Readonly<Record<string, { readonly ServerReflection: new (address: string, creds: object) => Client }>>
      }
    }
    const Reflection = grpc.reflection[version]?.ServerReflection as new (
      address: string,
      creds: object,
    ) => Client & {
      ServerReflectionInfo(): ConstructorParameters<typeof Stream>[0]
    }
    const client = new Reflection(rig.address, credentials.createInsecure())
    const stream = new Stream(client.ServerReflectionInfo())
    stream.call.write({ listServices: '*' })
    expect(((await stream.next())['listServicesResponse'] as { service: object[] }).service).toEqual([
      { name: 'troupe.v1.Actors' },
      { name: 'grpc.health.v1.Health' },
    ])
    // More questions than it answers unread.
    for (let n = 0; n < 500; n++) stream.call.write({ fileContainingSymbol: 'troupe.v1.Actors' })
    stream.call.end()
    expect(await stream.ended).toBeNull()
    expect(stream.messages).toHaveLength(500)
    const described = stream.messages[0]?.['fileDescriptorResponse'] as { fileDescriptorProto: Buffer[] } | undefined
    expect(described?.fileDescriptorProto[0]?.toString('latin1')).toContain('SubscribeRequest')
    client.close()
  })

  it('does not read a client that does not read its answers', async () => {
    rig = await startRig()
    // ServerReflectionRequest.file_containing_symbol, field 4, and 1000 bytes that nobody knows: more in all than a client keeps for repeating.
    const ask = Buffer.concat([Buffer.from([34, 16]), Buffer.from('troupe.v1.Actors'), Buffer.from([122, 232, 7]), Buffer.alloc(1000)])
    const bytes = (value: Buffer): Buffer => value
    const call = rig.client().actors.makeBidiStreamRequest('/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', bytes, bytes)
    call.on('error', () => undefined)
    await new Promise((resolve) => {
      call.once('data', () => resolve(call.pause()))
      call.write(ask)
    })
    for (let n = 0; n < 5000; n++) call.write(ask)
    // All would be read by then.
    await turns(5000)
    expect(call.writableLength).toBeGreaterThan(1000)
    call.cancel()
  })

  it('can be left out', async () => {
    rig = await startRig({ reflection: false })
    const bytes = (value: Buffer): Buffer => value
    for (const version of ['v1', 'v1alpha']) {
      const call = rig
        .client()
        .actors.makeBidiStreamRequest(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, bytes, bytes)
      expect(await new Promise((resolve) => call.on('error', resolve))).toMatchObject({ code: 12 })
    }
  })
})

describe('limits', () => {
  it('calls and streams beyond rpcStreams are overloaded', async () => {
    rig = await startRig({ options: { rpcStreams: 2 } })
    const client = rig.client()
    const streams = [1, 2].map(() => client.subscribe({ actor: 'user/alice', topic: 'feed' }))
    for (const stream of streams) await stream.next()
    const full = { status: 8, error: { code: 'overloaded', retryable: true, retryAfterMs: 1000 } }
    await expect(client.send(event)).rejects.toMatchObject(full)
    expect(await client.history({ actor: 'user/alice' }).read().ended).toMatchObject(full)
    streams[0]?.call.cancel()
    await until(() => rig.rpc.stats().calls === 1, 'room')
    expect(await client.send(event)).toMatchObject({ offset: '1' })
    expect(rig.rpc.stats().counters.overLimit).toBe(2)
  })

  it('a connection’s client holds back calls beyond rpcConnectionStreams', async () => {
    rig = await startRig({ options: { rpcConnectionStreams: 3 } })
    rig.calls.hold()
    const client = rig.client()
    const sends = Array.from({ length: 8 }, (_, id) => client.send({ ...event, id }))
    await until(() => rig.calls.waiting === 3, 'three calls')
    await turns(50)
    expect(rig.calls.waiting).toBe(3)
    rig.calls.release()
    expect(await Promise.all(sends)).toHaveLength(8)
  })

  it('connections beyond rpcConnections are closed', async () => {
    rig = await startRig({ options: { rpcConnections: 1 } })
    await rig.client().send(event)
    await expect(rig.client().send(event)).rejects.toMatchObject({ status: 14 })
    expect(rig.rpc.stats().connections).toBe(1)
  })

  it('a connection that does not answer pings is closed', async () => {
    rig = await startRig({ options: { rpcPingMs: 100, rpcPongMs: 50 } })
    const socket = connect(rig.port, '127.0.0.1')
    await new Promise((resolve) =>
      socket
        .once('close', resolve)
        .on('error', () => undefined)
        .resume(),
    )
    await until(() => rig.rpc.stats().connections === 0, 'its end')
  })

  it('what is not HTTP/2, and calls that do not exist, harm nothing', async () => {
    rig = await startRig()
    const socket = connect(rig.port, '127.0.0.1', () => socket.end('GET / HTTP/1.1\r\nhost: x\r\n\r\n'))
    await new Promise((resolve) =>
      socket
        .once('close', resolve)
        .on('error', () => undefined)
        .resume(),
    )
    const client = rig.client()
    const code = await new Promise((resolve) =>
      client.actors.makeUnaryRequest(
        '/troupe.v1.Actors/Nothing',
        () => Buffer.alloc(0),
        (reply) => reply,
        null,
        (error) => resolve(error?.code),
      ),
    )
    expect(code).toBe(12)
    expect(await client.send(event)).toMatchObject({ offset: '1' })
  })
})

describe('drain', () => {
  it('answers what a SendStream has sent, then ends it; single calls are served until the stop', async () => {
    rig = await startRig()
    rig.calls.hold()
    const client = rig.client()
    const stream = client.sendStream().read()
    for (let id = 1; id <= 5; id++) stream.write({ ...event, id })
    await until(() => rig.calls.waiting === 5, 'five events')
    const drained = rig.rpc.drain()
    await turns(50)
    expect(rig.rpc.stats().streams).toBe(1)
    rig.calls.release()
    await drained
    expect(await stream.ended).toMatchObject(GOING)
    expect(stream.messages.map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5'])
    expect(await client.send(event)).toMatchObject({ offset: '6' })
  })

  it('one whose client has ended too ends well', async () => {
    rig = await startRig()
    rig.calls.hold()
    const stream = rig.client().sendStream().read()
    stream.write({ ...event, id: 1 })
    stream.call.end()
    await until(() => rig.calls.waiting === 1, 'the event')
    await turns(50)
    const drained = rig.rpc.drain()
    rig.calls.release()
    await drained
    expect(await stream.ended).toBeNull()
  })

  it('ends subscriptions and histories as unavailable, and takes no more streams', async () => {
    rig = await startRig()
    for (let n = 0; n < 3000; n++) rig.calls.append('user/alice', 'note.added', 'x'.repeat(1000))
    const client = rig.client()
    const stream = client.subscribe({ actor: 'user/alice', topic: 'feed' })
    await stream.next()
    const history = client.history({ actor: 'user/alice' })
    await history.stall()
    const drained = rig.rpc.drain()
    expect(rig.rpc.drain()).toBe(drained)
    history.call.resume()
    await drained
    expect(await stream.ended).toMatchObject(GOING)
    expect(await history.ended).toMatchObject(GOING)
    expect(rig.calls.subscribers).toBe(0)
    for (const refused of [
      client.subscribe({ actor: 'user/alice', topic: 'feed' }),
      client.sendStream(),
      client.history({ actor: 'user/alice' }),
    ])
      expect(await refused.read().ended).toMatchObject(GOING)
  })

  it('goes at a pace, and is over when nothing answers', async () => {
    rig = await startRig({ virtual: true, options: { drainSpreadMs: 2000, sendTimeoutMs: 1000 } })
    const client = rig.client()
    const streams = Array.from({ length: 20 }, () => client.subscribe({ actor: 'user/alice', topic: 'feed' }))
    for (const stream of streams) await stream.next()
    rig.calls.hold()
    const stuck = client.sendStream().read()
    stuck.write({ ...event, id: 1 })
    await until(() => rig.calls.waiting === 1, 'the event')
    let over = false
    const drained = rig.rpc.drain().then(() => (over = true))
    await until(() => rig.rpc.stats().streams === 18, 'the first step of ten')
    for (let step = 0; step < 12; step++) {
      rig.clock.advance(50)
      await turns(20)
    }
    await until(() => rig.rpc.stats().streams === 1, 'all that can end')
    expect(over).toBe(false)
    for (let step = 0; step < 25; step++) {
      rig.clock.advance(50)
      await turns(20)
    }
    await drained
    await until(() => rig.rpc.stats().streams === 0, 'the cut')
    expect(await stuck.ended).toMatchObject({ status: 1 })
  })
})

describe('stop', () => {
  it('lets answers under way out, then ends every connection', async () => {
    rig = await startRig()
    rig.calls.hold()
    const client = rig.client()
    const send = client.send(event)
    await until(() => rig.calls.waiting === 1, 'the event')
    // Longer than this test has: the client goes because it is told to.
    const stopped = rig.rpc.stop(600_000)
    await turns(20)
    rig.calls.release()
    expect(await send).toMatchObject({ offset: '1' })
    await stopped
    expect(rig.rpc.stats()).toMatchObject({ connections: 0, calls: 0 })
    await expect(rig.client().send(event)).rejects.toMatchObject({ status: 14 })
  })

  it('ends what does not go within the grace', async () => {
    rig = await startRig()
    const stream = rig.client().subscribe({ actor: 'user/alice', topic: 'feed' })
    await stream.next()
    rig.calls.hold()
    const send = rig.client().send(event)
    await until(() => rig.calls.waiting === 1, 'the event')
    await rig.rpc.stop(0)
    await expect(send).rejects.toMatchObject({ status: 14 })
    await until(() => rig.rpc.stats().connections === 0, 'the end of all')
    expect(rig.calls.subscribers).toBe(0)
  })
})

describe('services of others', () => {
  it('share the port, and are not ended by a drain', async () => {
    rig = await startRig({ options: { rpcMessageBytes: 64 * 1024 } })
    const bytes = (value: Buffer): Buffer => value
    const method = { path: '/test.Links/Link', requestStream: true, responseStream: true } as const
    const codec = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes }
    const links: ServiceDefinition = { Link: { ...method, ...codec } }
    rig.rpc.addService(links, {
      Link: (call: { on(event: 'data', run: (message: Buffer) => void): void; write(message: Buffer): void }) =>
        call.on('data', (message) => call.write(message)),
    } as never)
    const client = rig.client({ 'grpc.max_receive_message_length': -1 })
    const call = client.actors.makeBidiStreamRequest(method.path, bytes, bytes, new Metadata())
    call.on('error', () => undefined)
    const next = (): Promise<unknown> => new Promise((resolve) => call.once('data', resolve))
    call.write(Buffer.from('one'))
    expect(await next()).toEqual(Buffer.from('one'))
    await rig.rpc.drain()
    // As large as other nodes may send.
    call.write(Buffer.alloc(4 * 1024 * 1024 + 500, 7))
    expect((await next()) as Buffer).toHaveLength(4 * 1024 * 1024 + 500)
    call.cancel()
  })
})
