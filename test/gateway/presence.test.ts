/** Who is here, who is closed for good by the app, and which of two sockets of one session stays. */
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { AppTools, AuthRequest, Identity } from '../../src/actors/define.ts'
import { connect } from '../../src/client/index.ts'
import { Presence } from '../../src/gateway/presence.ts'
import { startRig, until, type Rig, type RigConfig, type TestClient } from './rig.ts'

let rig: Rig
let tools: AppTools
afterEach(() => rig?.stop())

/** The token is `sub actor`. */
const authenticate = ({ token = '' }: AuthRequest): Identity | null => {
  const [sub = '', actor] = token.split(' ')
  return sub === '' ? null : { sub, ...(actor !== undefined && { actor }) }
}
const start = async (config: RigConfig = {}): Promise<void> => {
  rig = await startRig({
    mode: 'start',
    ...config,
    app: { authenticate, authorize: () => true, routes: (_, given) => void (tools = given), ...config.app },
  })
}
const join = async (connect_: object): Promise<TestClient> => {
  const client = await rig.open()
  client.send({ t: 'connect', ...connect_ })
  return client
}
const welcomed = async (connect_: object): Promise<TestClient> => {
  const client = await join(connect_)
  await client.frame('welcome')
  return client
}

describe('tools.sockets', () => {
  test('counts connections and event streams of an actor from welcome to end', async () => {
    await start()
    expect(tools.sockets('user/a')).toBe(0)
    const phone = await welcomed({ token: 'a user/a', device: 'phone' })
    await welcomed({ token: 'a user/a', device: 'tablet' })
    await welcomed({ token: 'b user/b' })
    await welcomed({ token: 'service' })
    await rig.open()
    const stream = await fetch(`${rig.url}/v1/actors/user/a/topics/feed`, { headers: { authorization: 'Bearer a user/a' } })
    expect([tools.sockets('user/a'), tools.sockets('user/b'), tools.sockets('user/c')]).toEqual([3, 1, 0])
    await stream.body?.cancel()
    phone.socket.terminate()
    await until(() => tools.sockets('user/a') === 1, 'they have left')
  })

  test('a refresh that names another actor moves nobody', async () => {
    await start()
    const client = await welcomed({ token: 'a user/a' })
    const nobody = await welcomed({ token: 'b' })
    expect(await client.ask({ t: 'refresh', id: 1, token: 'a user/other' })).toMatchObject({ ok: true })
    expect(await nobody.ask({ t: 'refresh', id: 1, token: 'b user/b' })).toMatchObject({ ok: true })
    expect([tools.sockets('user/a'), tools.sockets('user/other'), tools.sockets('user/b')]).toEqual([1, 0, 0])
    client.socket.terminate()
    nobody.socket.terminate()
    await until(() => rig.gateway.stats().sockets === 0, 'gone')
    expect([tools.sockets('user/a'), tools.sockets('user/b')]).toEqual([0, 0])
  })
})

describe('tools.kick', () => {
  test('closes the sockets of an actor, or of a sub, with bye 3503; others stay', async () => {
    await start()
    const kicked = await Promise.all(['a user/a', 'a user/a', 'c user/a'].map((token) => welcomed({ token })))
    const other = await welcomed({ token: 'b user/b' })
    expect(await tools.kick('user/a', { reason: 'logged out' })).toBe(3)
    for (const client of kicked) {
      expect(await client.frame('bye')).toMatchObject({ code: 3503, reconnect: false, reason: 'logged out' })
      expect((await client.closed).code).toBe(3503)
    }
    expect(await other.ask({ t: 'query', id: 1, name: 'count' })).toMatchObject({ ok: true })
    expect([await tools.kick('nobody'), await tools.kick('b'), await tools.kick('b')]).toEqual([0, 1, 0])
    expect(await other.frame('bye')).toMatchObject({ code: 3503 })
    expect(rig.gateway.stats()).toMatchObject({ sessions: 0, counters: { kicked: 4 } })
  })

  test('of one device', async () => {
    await start()
    const phone = await welcomed({ token: 'a user/a', device: 'phone' })
    const tablet = await welcomed({ token: 'a user/a', device: 'tablet' })
    expect(await tools.kick('user/a', { device: 'phone' })).toBe(1)
    expect(await phone.frame('bye')).toMatchObject({ code: 3503 })
    expect(await tablet.ask({ t: 'query', id: 1, name: 'count' })).toMatchObject({ ok: true })
  })

  test('an event stream is told, and ends', async () => {
    await start()
    const stream = await fetch(`${rig.url}/v1/actors/user/a/topics/feed`, { headers: { authorization: 'Bearer a user/a' } })
    expect(await tools.kick('user/a')).toBe(1)
    expect(await stream.text()).toContain('event: bye\ndata: {"t":"bye","code":3503')
    expect(tools.sockets('user/a')).toBe(0)
  })

  test('a client that is not let in yet cannot be meant', async () => {
    await start()
    await rig.open()
    expect(await tools.kick('')).toBe(0)
  })

  test('the SDK stays away, and says so', async () => {
    await start()
    const client = connect(`ws://127.0.0.1:${rig.port}`, { token: 'a user/a' })
    await client.actor().query('count')
    const closed = new Promise<number | undefined>((resolve) => client.on('state', (_, { code }) => resolve(code)))
    await tools.kick('user/a')
    expect([await closed, client.state]).toEqual([3503, 'closed'])
    await expect(client.actor().query('count')).rejects.toMatchObject({ code: 'denied' })
  })
})

describe('a session that connects again while its old socket still stands', () => {
  test('the older gets bye 3510, the newer goes on, whatever actor its token names now', async () => {
    await start()
    for (const again of [{}, { token: 'a user/a' }, { token: 'a user/other' }, { token: 'a' }]) {
      const old = await join({ token: 'a user/a' })
      const { ticket, session } = await old.frame('welcome')
      const next = await join({ ticket, ...again })
      expect(await next.frame('welcome')).toMatchObject({ session, resumed: true })
      expect(await old.frame('bye')).toMatchObject({ code: 3510, reconnect: false })
      expect((await old.closed).code).toBe(3510)
      expect(await next.ask({ t: 'query', id: 1, to: 'user/a', name: 'count' })).toMatchObject({ ok: true })
      next.socket.terminate()
      await until(() => rig.gateway.stats().sockets === 0, 'both are gone')
    }
    expect(rig.gateway.stats().counters.replaced).toBe(4)
  })

  test('whose old socket has gone replaces nobody', async () => {
    await start()
    const old = await join({ token: 'a user/a' })
    const { ticket, session } = await old.frame('welcome')
    old.socket.close()
    await until(() => rig.gateway.stats().sockets === 0, 'it is gone')
    const next = await join({ ticket })
    expect(await next.frame('welcome')).toMatchObject({ session, resumed: true })
    expect(rig.gateway.stats().counters).toMatchObject({ resumed: 1, replaced: 0 })
  })

  test('another session of the same user and device is another', async () => {
    await start()
    const one = await welcomed({ token: 'a user/a', device: 'phone' })
    await welcomed({ token: 'a user/a', device: 'phone' })
    expect(await one.ask({ t: 'query', id: 1, name: 'count' })).toMatchObject({ ok: true })
  })

  test('event streams of one session do not end each other', async () => {
    await start()
    const answer = await fetch(`${rig.url}/v1/session`, { method: 'POST', headers: { authorization: 'Bearer a user/a' } })
    const { ticket } = (await answer.json()) as { ticket: string }
    const follow = (topic: string): Promise<Response> => fetch(`${rig.url}/v1/actors/user/a/topics/${topic}?ticket=${ticket}`)
    await Promise.all([follow('feed'), follow('notes'), follow('summary')])
    await welcomed({ ticket })
    expect(tools.sockets('user/a')).toBe(4)
    expect(rig.gateway.stats().counters.replaced).toBe(0)
  })
})

test('presence: as a plain list would say it', () => {
  const members = Array.from({ length: 5 }, (_, at) => ({ at }) as never)
  const actors = [undefined, 'user/a', 'user/b']
  const step = fc.record({ enters: fc.boolean(), actor: fc.integer({ min: 0, max: 2 }), member: fc.integer({ min: 0, max: 4 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const presence = new Presence()
      const plain = new Set<string>()
      for (const { enters, actor, member } of steps) {
        const name = actors[actor]
        if (enters) presence.enter(name, members[member] as never)
        else presence.leave(name, members[member] as never)
        if (name === undefined) continue
        if (enters) plain.add(`${name} ${member}`)
        else plain.delete(`${name} ${member}`)
        for (const each of ['user/a', 'user/b'])
          expect(presence.count(each)).toBe([...plain].filter((entry) => entry.startsWith(each)).length)
      }
    }),
  )
})
