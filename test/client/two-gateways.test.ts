/** The SDK between two real gateways of one cluster: whichever dies or drains, sends are applied once and in order, and no note is missed. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Client, connect } from '../../src/client/index.ts'
import { startRig, until, type Rig } from '../gateway/rig.ts'

let rigs: Rig[]
let client: Client
let heard: number[]
let gaps: unknown[]

beforeEach(async () => {
  const first = await startRig({ options: { drainSpreadMs: 500 } })
  rigs = [first, await startRig({ calls: first.calls, options: { drainSpreadMs: 500 } })]
  heard = []
  gaps = []
})
afterEach(async () => {
  client.close()
  for (const rig of rigs) await rig.stop()
})

const start = (float: number): Promise<unknown> => {
  client = connect(
    rigs.map(({ port }) => `ws://127.0.0.1:${port}`),
    { token: 'dev:alice', random: { float: () => float } },
  )
  client.on('gap', (gap) => gaps.push(gap))
  client.actor().subscribe('feed', ({ data }) => heard.push(data as number), { from: 'start' })
  return client.actor().query('count')
}
const on = (): number => rigs.findIndex(({ gateway }) => gateway.stats().sessions === 1)

it('a gateway is killed with sends under way: they are repeated at the other under their numbers', async () => {
  await start(0)
  expect(on()).toBe(0)
  const [one, two] = rigs as [Rig, Rig]
  one.calls.hold()
  const sent = Array.from({ length: 50 }, (_, n) => client.actor().send('note.added', n))
  await until(() => one.calls.sends.length === 50, 'all are under way')
  // Some were applied, and their answers lost.
  one.server.close()
  one.calls.release(20)
  for (const socket of one.sockets) socket.destroy()
  one.calls.release()
  expect((await Promise.all(sent)).map(({ offset }) => offset)).toEqual(sent.map((_, n) => n + 1))
  expect(two.gateway.stats()).toMatchObject({ sessions: 1, counters: { resumed: 1 } })
  const sources = new Set(one.calls.sends.map(({ source }) => source))
  expect([sources.size, one.calls.sends.slice(50).map(({ seq }) => seq)]).toEqual([
    1,
    sent.map((_, n) => n + 1).slice(-(one.calls.sends.length - 50)),
  ])
  await until(() => heard.length === 50, 'all notes')
  expect([heard, gaps]).toEqual([sent.map((_, n) => n), []])
})

it('a gateway drains under load: the client moves without being without a connection, and nothing is lost or doubled', async () => {
  await start(0)
  const states: string[] = []
  client.on('state', (state) => states.push(state))
  const from = on()
  const sent: Promise<unknown>[] = []
  let drained = false
  void rigs[from]?.gateway.drain().then(() => (drained = true))
  while (!drained) {
    sent.push(client.actor().send('note.added', sent.length))
    await new Promise((resolve) => setImmediate(resolve))
    if (sent.length > 500) await Promise.all(sent.slice(-100))
  }
  await Promise.all(sent)
  expect([on(), states]).toEqual([1 - from, []])
  await until(() => heard.length === sent.length, 'all notes')
  expect(heard).toEqual(sent.map((_, n) => n))
  expect(gaps).toEqual([])
})
