/** The sockets of a world: what is held waits and is taken in order, a reset is heard at both ends, and who watches sees all of it. */
import { expect, it } from 'vitest'
import type { Gateway } from '../../src/gateway/gateway.ts'
import type { Socket } from '../../src/gateway/socket.ts'
import { frameText } from '../../src/gateway/websocket-frame.ts'
import type { NodeProcess } from '../../src/testing/process.ts'
import { Sockets, type Wire } from '../../src/testing/sockets.ts'
import { VirtualTime } from '../../src/testing/virtual-time.ts'

interface Rig {
  readonly wire: Wire
  readonly far: Socket
  /** What came about at each end, in order. */
  readonly client: string[]
  readonly server: string[]
  readonly watched: string[]
  readonly size: () => number
  pass(ms?: number): void
}

function rig(): Rig {
  const time = new VirtualTime('sockets')
  const [client, server, watched]: [string[], string[], string[]] = [[], [], []]
  let far: Socket | null = null
  const gateway = {
    connect: (socket: Socket) => {
      far = socket
      return { message: (data: Buffer) => server.push(data.toString()), gone: () => server.push('gone') }
    },
  } as unknown as Gateway
  const process = { name: 'n1', clients: gateway, deliver: (run: () => void) => run() } as unknown as NodeProcess
  const sockets = new Sockets(
    time,
    () => process,
    () => ({
      read: (text) => watched.push(`read ${text}`),
      wrote: (texts, bytes, waiting) => watched.push(`wrote ${texts.join(' ')}, ${bytes} over ${waiting}`),
      took: () => undefined,
      ended: () => watched.push('ended'),
    }),
  )
  const wire = sockets.open('ws://n1/', {
    opened: () => client.push('opened'),
    message: (data) => client.push(String(data)),
    closed: (code) => client.push(`closed ${code}`),
  })
  const pass = (ms = 10): void => {
    const end = time.mono() + ms
    while (time.step(end));
  }
  pass()
  if (far === null) throw new Error('nobody was connected')
  return { wire, far, client, server, watched, size: () => sockets.size, pass }
}

const say = ({ far }: Rig, text: string): void => far.write(frameText(text), undefined)

it('what is held waits at the gateway, is sipped one by one, and comes in order when it is released', () => {
  const world = rig()
  const { wire, client, far, pass } = world
  wire.hold('down')
  for (const text of ['a', 'b', 'c']) say(world, text)
  pass()
  expect([client, far.waitingBytes, far.takenBytes]).toEqual([['opened'], 9, 0])
  wire.sip()
  expect([client, far.waitingBytes, far.takenBytes]).toEqual([['opened', 'a'], 6, 3])
  say(world, 'd')
  wire.release()
  pass()
  expect([client, far.waitingBytes]).toEqual([['opened', 'a', 'b', 'c', 'd'], 0])
})

it('what is held up arrives when it is released, and a client that goes meanwhile is not missed until then', () => {
  const { wire, server, client, pass } = rig()
  wire.hold('up')
  wire.send('one')
  wire.close(1000, '')
  pass(60_000)
  expect([server, client]).toEqual([[], ['opened', 'closed 1000']])
  wire.release()
  pass()
  expect(server).toEqual(['one', 'gone'])
})

it('a reset loses what is under way and is heard at both ends, once, also by who held it', () => {
  const world = rig()
  const { wire, server, client, pass, size } = world
  wire.hold('down')
  say(world, 'a')
  wire.send('one')
  wire.reset()
  wire.reset()
  pass()
  expect([server, client, size()]).toEqual([['gone'], ['opened', 'closed 1006'], 0])
})

it('a gateway that closes is rid of a client that takes nothing: after the time of a closing handshake, or at once by a cut', () => {
  const closing = rig()
  closing.wire.hold('down')
  closing.far.close(3008, 'slow')
  closing.pass(29_000)
  expect(closing.server).toEqual([])
  closing.pass(2_000)
  expect([closing.server, closing.client]).toEqual([['gone'], ['opened']])
  closing.wire.release()
  closing.pass()
  expect([closing.server, closing.client]).toEqual([['gone'], ['opened', 'closed 3008']])
  const cut = rig()
  cut.wire.hold('down')
  cut.far.cut()
  cut.pass()
  expect(cut.server).toEqual(['gone'])
})

it('a client that lost its end hears so; its gateway hears nothing, writes in vain, and is rid of it when it closes', () => {
  const world = rig()
  const { wire, server, client, far, pass, size } = world
  wire.send('one')
  wire.lose()
  pass()
  say(world, 'a')
  wire.release()
  wire.sip()
  pass(60_000)
  expect([server, client, far.waitingBytes, size()]).toEqual([[], ['opened', 'closed 1006'], 3, 1])
  far.close(3012, 'no pong')
  pass(31_000)
  expect([server, client, size()]).toEqual([['gone'], ['opened', 'closed 1006'], 0])
})

it('who watches sees what is read and written, with what waited before, and the end once', () => {
  const world = rig()
  const { wire, watched, pass } = world
  wire.send('hello')
  pass()
  say(world, 'a')
  say(world, 'b')
  pass()
  wire.close(1000, '')
  pass()
  wire.send('late')
  pass()
  expect(watched).toEqual(['read hello', 'wrote a, 3 over 0', 'wrote b, 3 over 3', 'ended'])
})
