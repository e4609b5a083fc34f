/** Who gets in over real connections: certificates, secrets, and what can be seen on the wire. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Log } from '../../src/base/log.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import { GrpcTransport } from '../../src/transport/grpc.ts'
import type { ClusterTls } from '../../src/transport/security.ts'
import { Ears, type Ear } from './ear.ts'
import { grpcNode, until, WIRE_OPTIONS, type GrpcNode, type GrpcNodeGiven } from './grpc-net.ts'

const file = (name: string): Buffer => readFileSync(join(import.meta.dirname, 'fixtures', name))
const certified = (name: string, authority = 'authority'): ClusterTls => ({
  ca: file(`${authority}.pem`),
  cert: file(`${name}.pem`),
  key: file(`${name}-key.pem`),
})

const nodes: GrpcNode[] = []
const ears = new Ears()
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()))
  ears.check()
})

async function start(id: string, given: GrpcNodeGiven): Promise<GrpcNode> {
  const node = await grpcNode(id, given)
  nodes.push(node)
  return node
}

/** Dials b from a; resolves once both ends are decided as far as they will be. */
async function meet(a: GrpcNode, b: GrpcNode): Promise<{ dialled: Ear; taken: Ear[] }> {
  const taken = ears.listen(b.transport)
  const dialled = ears.dial(a.transport, b.address)
  await until(() => dialled.end !== null || (dialled.peer !== null && taken[0]?.peer !== null), 'decided')
  return { dialled, taken }
}

describe('certificates', () => {
  it('nodes whose certificates name them meet: by DNS, URI and common name', async () => {
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((id) => start(id, { tls: certified(`node-${id}`) })))
    for (const [from, to] of [
      [a, b],
      [b, c],
      [c, a],
    ] as [GrpcNode, GrpcNode][]) {
      const { dialled, taken } = await meet(from, to)
      expect([dialled.end, taken[0]?.end]).toEqual([null, null])
      dialled.send('over TLS')
      await until(() => taken[0]?.messages.length === 1, 'it arrives')
    }
  })

  it('a member’s certificate under another id is denied, whoever dials', async () => {
    const [a, liar] = [await start('a', { tls: certified('node-a') }), await start('b', { tls: certified('node-c') })]
    for (const [from, to] of [
      [a, liar],
      [liar, a],
    ] as const) {
      const { dialled, taken } = await meet(from, to)
      await until(() => taken.every((ear) => ear.end !== null), 'the other end too')
      expect([dialled.end, ...taken.map((ear) => ear.end)].every((end) => end === 'denied')).toBe(true)
      expect(dialled.why).toContain('DNS:b')
    }
  })

  it('a certificate of another authority does not get in, either way', async () => {
    const [a, stranger] = [
      await start('b', { tls: certified('node-b') }),
      await start('a', { tls: certified('foreign-a', 'other-authority') }),
    ]
    const out = await meet(a, stranger)
    expect(out.dialled.end).toBe('denied')
    expect(out.dialled.why).toMatch(/certificate/)
    const back = await meet(stranger, a)
    expect(back.dialled.end).not.toBe('closed')
    expect(back.taken).toEqual([])
  })

  it('who has certificates and who has none do not meet', async () => {
    const [a, plain] = [await start('a', { tls: certified('node-a') }), await start('b', {})]
    const out = await meet(a, plain)
    const back = await meet(plain, a)
    expect([out.dialled.peer, back.dialled.peer, out.taken, back.taken]).toEqual([null, null, [], []])
    expect(['unreachable', 'denied']).toContain(out.dialled.end)
    expect(['unreachable', 'denied']).toContain(back.dialled.end)
  })

  it('with a secret, certificates encrypt: a server that asks callers for none takes members that know the secret, and only them', async () => {
    const secrets = ['a secret of this cluster']
    const [a, b] = [
      await start('a', { tls: certified('node-a'), secrets, asksCertificate: false }),
      await start('b', { tls: certified('node-c'), secrets, asksCertificate: false }),
    ]
    const { dialled } = await meet(a, b)
    expect(dialled.end).toBeNull()
    const liar = await start('x', { tls: certified('node-c'), secrets: ['a guess at the secret'], asksCertificate: false })
    const { dialled: denied } = await meet(liar, b)
    expect(denied.end).toBe('denied')
  })
})

describe('the secret', () => {
  it('is neither on the wire nor in the log', async () => {
    const lines: string[] = []
    const note = (fields: object, message: string): number => lines.push(`${message} ${JSON.stringify(fields)}`)
    const log: Log = { info: note, warn: note, error: note }
    const secret = 'only-the-nodes-know-this'
    const [a, b, x] = [
      await start('a', { secrets: [secret], log }),
      await start('b', { secrets: [secret], log }),
      await start('x', { secrets: ['and-this-is-another-one'], log }),
    ]
    b.proxy.recording = true
    const { dialled } = await meet(a, b)
    expect(dialled.end).toBeNull()
    const { dialled: denied } = await meet(x, b)
    expect(denied.end).toBe('denied')
    const seen = Buffer.concat(b.proxy.passed)
    expect(seen.length).toBeGreaterThan(300)
    expect(seen.includes(Buffer.from(`127.0.0.1:${b.proxy.port}`)), 'the record has what was said').toBe(true)
    for (const text of [secret, 'and-this-is-another-one', Buffer.from(secret).toString('base64'), Buffer.from(secret).toString('hex')]) {
      expect(seen.includes(Buffer.from(text))).toBe(false)
      expect(lines.join('\n')).not.toContain(text)
      expect(denied.why).not.toContain(text)
    }
  })

  it('a conversation that was recorded opens nothing', async () => {
    const secrets = ['a secret of this cluster']
    const [a, b] = [await start('a', { secrets }), await start('b', { secrets })]
    b.proxy.recording = true
    const { dialled } = await meet(a, b)
    dialled.close()
    await until(() => dialled.end !== null, 'closed')
    const said = Buffer.concat(b.proxy.passedTo)
    const taken = ears.listen(b.transport)
    const { connect } = await import('node:net')
    const socket = connect(b.port, '127.0.0.1')
    socket.on('error', () => undefined)
    let answered = 0
    socket.on('data', (bytes) => (answered += bytes.length))
    socket.write(said)
    await until(() => taken.length > 0 || socket.closed || answered > 0, 'it was heard')
    await until(() => taken.every((ear) => ear.end !== null), 'decided')
    expect(taken.map((ear) => ear.peer)).toEqual(taken.map(() => null))
    socket.destroy()
  })
})

it('certificates that are none stop the start', async () => {
  const broken = { ...certified('node-a'), key: certified('node-b').key }
  await expect(grpcNode('a', { tls: broken })).rejects.toThrow(/certificates cannot be used/)
})

it('a node that others could reach without a secret or certificates does not start, and says what is needed', () => {
  const make = (): GrpcTransport =>
    new GrpcTransport({
      self: { id: 'a', generation: 1, address: '10.0.0.1:7100' },
      cluster: 'c',
      security: { secrets: [], tls: null },
      listenHost: '',
      clock: systemClock,
      random: systemRandom,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      options: WIRE_OPTIONS,
    })
  expect(make).toThrow(/every address is open to others: .*--secret-file, or TLS/)
})
