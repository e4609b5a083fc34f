/** What a resume ticket may be: never larger than a `connect` can carry, never rights beyond the token it was given for. */
import { afterEach, describe, expect, test } from 'vitest'
import type { AuthRequest, Identity } from '../../src/actors/define.ts'
import { connect } from '../../src/client/index.ts'
import { startRig, until, type Frame, type Rig } from './rig.ts'

let rig: Rig
afterEach(() => rig.stop())

const come = async (frame: object): Promise<Frame> => {
  const client = await rig.open()
  client.send({ t: 'connect', ...frame })
  await until(() => client.frames.length > 0, 'an answer')
  const [answer] = client.frames.splice(0, 1)
  client.socket.terminate()
  return answer as Frame
}

describe('a ticket that would not fit a frame', () => {
  const QUOTES = '"'.repeat(250)

  test('is not given: the session works, the log says why, and the client comes back with its token', async () => {
    // Each quote is two bytes of JSON.
    const identity: Identity = { sub: 'alice', actor: `user/${QUOTES}`, claims: { role: 'x'.repeat(100) } }
    rig = await startRig({ mode: 'start', app: { authenticate: () => identity }, options: { frameBytes: 1_024 } })
    const welcome = await come({ token: 't' })
    expect([welcome.t, welcome['ticket']]).toEqual(['welcome', ''])
    expect(rig.lines).toMatchObject([{ level: 'warn', message: expect.stringContaining('ticket') }])
    const session = await fetch(`${rig.url}/v1/session`, { method: 'POST', headers: { authorization: 'Bearer t' } })
    expect([session.status, await session.json()]).toMatchObject([413, { error: { code: 'too_large' } }])
    // Once for all of them.
    expect(rig.lines).toHaveLength(1)

    let tokens = 0
    const states: string[] = []
    const client = connect(`ws://127.0.0.1:${rig.port}`, { token: () => `t${++tokens}`, random: { float: () => 0 } })
    client.on('state', (state) => states.push(state))
    expect(await client.actor().query('count')).toBe(0)
    await cutAll()
    await until(() => states.length === 3, 'it comes back')
    expect(await client.actor().query('count')).toBe(0)
    expect([states, tokens]).toEqual([['open', 'resuming', 'open'], 2])
    client.close()
  })

  /** Every connection is cut, as by the network. */
  const cutAll = async (): Promise<void> => {
    rig.server.closeAllConnections()
    for (const socket of rig.sockets) socket.destroy()
    await until(() => rig.gateway.stats().sockets === 0, 'all are gone')
  }

  test('the largest claims that are taken give a ticket that resumes, also beside a token as large', async () => {
    const claims = { long: '"'.repeat(8_000) }
    rig = await startRig({ mode: 'start', app: { authenticate: () => ({ sub: 'alice', actor: 'user/alice', claims }) } })
    const { session, ticket } = await come({ token: 't' })
    expect(ticket).not.toBe('')
    expect(await come({ ticket })).toMatchObject({ t: 'welcome', session, resumed: true })
    expect(await come({ ticket, token: 'x'.repeat(30_000) })).toMatchObject({ t: 'welcome', session, resumed: true })
  })

  test('an identity that could never have one is the app’s mistake, measured as the ticket carries it', async () => {
    let sub = 'x'
    rig = await startRig({ mode: 'start', app: { authenticate: () => ({ sub, actor: 'user/alice' }) }, options: { frameBytes: 1_024 } })
    for (sub of ['"'.repeat(900), '"'.repeat(200), '\u0001'.repeat(50)]) expect(await come({ token: 't' })).toMatchObject({ code: 3011 })
    expect(rig.lines.map(({ fields }) => fields['what'])).toEqual(Array(3).fill(expect.stringContaining('frameBytes')))
  })

  test('a refreshed identity that no longer fits gives none either: the old ticket stays', async () => {
    let identity: Identity = { sub: 'alice', actor: 'user/alice' }
    rig = await startRig({ mode: 'start', app: { authenticate: () => identity }, options: { frameBytes: 1_024 } })
    const client = await rig.open()
    client.send({ t: 'connect', token: 't', device: '"'.repeat(100) })
    expect((await client.frame('welcome'))['ticket']).not.toBe('')
    identity = { ...identity, claims: { tenant: 'x'.repeat(200) } }
    const reply = await client.ask({ t: 'refresh', id: 1, token: 't' })
    expect([reply['ok'], 'ticket' in reply]).toEqual([true, false])
  })
})

describe('a session that goes on by tickets alone', () => {
  const authenticate = ({ token }: AuthRequest): Identity | null =>
    token === undefined ? null : { sub: 'alice', actor: 'user/alice', expiresAt: Number(token) }

  test('meets the end of the token that began it, however long tickets hold: at connect, while open, and over HTTP', async () => {
    rig = await startRig({ virtual: true, mode: 'start', app: { authenticate }, options: { ticketTtlMs: 12 * 3_600_000 } })
    const end = rig.clock.now() + 60_000
    const began = await come({ token: String(end) })
    expect(began['expiresAt']).toBe(end)
    let { ticket } = began
    for (let i = 0; i < 5; i++) {
      rig.clock.advance(10_000)
      const resumed = await come({ ticket })
      expect(resumed).toMatchObject({ t: 'welcome', session: began['session'], expiresAt: end })
      ticket = resumed['ticket']
    }
    const open = await rig.open()
    open.send({ t: 'connect', ticket })
    await open.frame('welcome')
    const http = (): Promise<Response> => fetch(`${rig.url}/v1/actors/user/alice/queries/count?ticket=${String(ticket)}`)
    expect((await http()).status).toBe(200)
    rig.clock.advance(10_000)
    expect(await open.frame('bye')).toMatchObject({ code: 3005 })
    expect(await come({ ticket })).toMatchObject({ t: 'bye', code: 3005, reconnect: true })
    expect((await http()).status).toBe(401)
    // The session itself outlives the token: its numbers go on with a fresh one (D10).
    const fresh = await come({ ticket, token: String(end + 60_000) })
    expect(fresh).toMatchObject({ t: 'welcome', session: began['session'], resumed: true, expiresAt: end + 60_000 })
  })

  test('an event stream that a ticket opened ends with the token, too', async () => {
    rig = await startRig({ virtual: true, mode: 'start', app: { authenticate } })
    const { ticket } = await come({ token: String(rig.clock.now() + 60_000) })
    const stream = await fetch(`${rig.url}/v1/actors/user/alice/topics/feed?ticket=${String(ticket)}`)
    expect(stream.status).toBe(200)
    rig.clock.advance(60_000)
    expect(await stream.text()).toContain('event: bye\ndata: {"t":"bye","code":3005')
  })
})
