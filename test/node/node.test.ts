/** A whole node in this process: settings, life, keys, failures. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as tcpConnect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'node:https'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { actor, app } from '../../src/actors/define.ts'
import type { Log, LogFields } from '../../src/base/log.ts'
import { silentLog } from '../../src/base/log.ts'
import { startNode, type NodeConfig, type RunningNode } from '../../src/node.ts'
import { memoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { notesApp } from '../admin/admin-app.ts'

/** As they are before any node runs here. */
const platform = { Request: globalThis.Request, Response: globalThis.Response }

/** A bound for what must happen, not a wait. */
const PATIENT = { timeout: 30_000 }

const running: RunningNode[] = []
afterEach(async () => {
  for (const node of running.splice(0)) await node.stop()
})

async function start(more: Partial<NodeConfig> = {}): Promise<RunningNode> {
  const node = await startNode({
    app: notesApp,
    listen: '127.0.0.1:0',
    adminListen: '127.0.0.1:0',
    store: 'memory:',
    mode: 'dev',
    log: silentLog,
    ...more,
  })
  running.push(node)
  return node
}

const http = (node: RunningNode): string => (node.clientUrl as string).replace('ws', 'http')
const send = (node: RunningNode, text: string): Promise<unknown> =>
  new Promise((resolve) => node.calls.send({ actor: 'user/alice', type: 'note.added', data: { text }, sender: 'test' }, resolve))
const fixture = (name: string): string => fileURLToPath(new URL(`../cli/fixtures/${name}`, import.meta.url))

/** Whether somebody listens there. */
function listens(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = tcpConnect(Number(port), hostname, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

describe('a life', () => {
  test('serves on both ports, then drains: written, closed, told once', async () => {
    const lines: string[] = []
    const log: Log = { ...silentLog, info: (_: LogFields, message) => lines.push(message) }
    const dir = mkdtempSync(join(tmpdir(), 'troupe-node-'))
    try {
      const node = await start({ store: `sqlite:${dir}`, log })
      expect((await fetch(`${node.adminUrl}/readyz`)).status).toBe(200)
      const answer = await fetch(`${http(node)}/v1/actors/user/alice/events?as=alice`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer dev:alice' },
        body: '{"type":"note.added","data":{"text":"hi"}}',
      })
      expect(await answer.json()).toEqual({ offset: 1, durable: true })
      const twice = [node.drain(), node.drain()]
      expect(twice[0]).toBe(twice[1])
      await Promise.all([...twice, node.closed])
      expect([await listens(node.clientUrl as string), await listens(node.adminUrl as string)]).toEqual([false, false])
      expect(lines).toEqual(['serves', 'drains', expect.any(String), 'has drained'])

      const next = await start({ store: `sqlite:${dir}` })
      expect(next.generation).toBe(node.generation + 1)
      expect(await send(next, 'again')).toMatchObject({ ok: true, offset: 2 })
      await next.drain()
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })

  test('while it drains it is alive and not ready, and takes nothing new', async () => {
    const store = memoryStore()
    const held = Promise.withResolvers<void>()
    // A commit that is held back keeps the drain open until the test has looked.
    const slow: Store = new Proxy(store, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function') return value
        const method = value.bind(target) as (...args: unknown[]) => unknown
        return name === 'commit' ? (...args: unknown[]) => held.promise.then(() => method(...args)) : method
      },
    })
    const node = await start({ store: slow })
    const sent = send(node, 'in flight')
    const drained = node.drain()
    await expect.poll(async () => (await fetch(`${node.adminUrl}/readyz`)).status, PATIENT).toBe(503)
    expect((await fetch(`${node.adminUrl}/livez`)).status).toBe(200)
    await expect.poll(() => send(node, 'late'), PATIENT).toMatchObject({ ok: false, code: 'unavailable' })
    held.resolve()
    expect(await sent).toMatchObject({ ok: true, durable: true })
    await drained
  })

  test('stop ends it at once, also in the middle of a drain', async () => {
    const node = await start({ options: { drainSpreadMs: 3_600_000 } })
    const socket = new WebSocket(`${node.clientUrl as string}/v1/ws`)
    await new Promise((resolve) => socket.addEventListener('open', resolve))
    void node.drain()
    await node.stop()
    await node.closed
    expect(await listens(node.clientUrl as string)).toBe(false)
  })

  test('a node whose membership breaks stops, says why, and lets go of its ports', async () => {
    const errors: string[] = []
    const log: Log = { ...silentLog, error: ({ error }: LogFields, message) => errors.push(`${String(error)}: ${message}`) }
    const node = await start({ rpcListen: '127.0.0.1:0', log })
    node.member?.gossip.onView(() => {
      throw new Error('a defect')
    })
    node.member?.gossip.setPhase('joining')
    await expect(node.closed).rejects.toThrow('the membership of this node broke: a defect')
    expect(errors).toEqual([expect.stringMatching(/^a defect: .*cannot be trusted any more: it stops/)])
    expect([await listens(node.clientUrl as string), await listens(node.adminUrl as string)]).toEqual([false, false])
  })

  test('POST /v1/nodes/{id}/drain on the admin port does the same', async () => {
    const node = await start()
    const answer = await fetch(`${node.adminUrl}/v1/nodes/${node.id}/drain`, { method: 'POST' })
    expect(answer.status).toBe(202)
    await node.closed
    expect(await listens(node.clientUrl as string)).toBe(false)
  })

  test('a store with actors of another app: said once, by the names of their types; the app’s own work', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'troupe-node-'))
    try {
      const other = app({
        actors: Object.fromEntries(
          ['use', 'user-x', 'users', 'zoo', 'user'].map((type) => [
            type,
            actor(type, { state: () => 0, events: { add: { reduce: (n: number) => n + 1 } } }),
          ]),
        ),
      })
      const first = await start({ app: other, store: `sqlite:${dir}` })
      const add = (to: string) => new Promise((done) => first.calls.send({ actor: to, type: 'add', data: null, sender: 'test' }, done))
      for (const to of ['use/r', 'user-x/a', 'user-x/b', 'users/a', 'zoo/1', 'user/bob']) expect(await add(to)).toMatchObject({ ok: true })
      await first.stop()
      const warned = Promise.withResolvers<LogFields>()
      const log: Log = { ...silentLog, warn: (fields, message) => message.includes('does not define') && warned.resolve(fields) }
      const second = await start({ store: `sqlite:${dir}`, log })
      expect(await warned.promise).toEqual({ types: 'use, user-x, users, zoo', defined: [...notesApp.byType.keys()].join(', ') })
      expect(await send(second, 'hi')).toMatchObject({ ok: true })
      await second.stop()
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })

  test('nodes of one store share the keys that the first made (D10)', async () => {
    const store = memoryStore()
    const keys: (string | undefined)[] = []
    for (let i = 0; i < 2; i++) {
      await start({ store: store.connect(), adminListen: null })
      keys.push(Buffer.from((await store.meta('ticket-key')) ?? []).toString('hex'))
    }
    expect(keys[0]).toHaveLength(64)
    expect(keys[1]).toBe(keys[0])
  })
})

describe('listeners', () => {
  test('the process keeps its own Request and Response: they are the app’s too', async () => {
    const node = await start()
    await Promise.all([fetch(`${node.adminUrl}/livez`), fetch(`${http(node)}/v1/nothing`)])
    expect([globalThis.Request === platform.Request, globalThis.Response === platform.Response]).toEqual([true, true])
  })

  test('TLS: https and wss on the client port, from files or PEM texts', async () => {
    const [cert, key] = [fixture('localhost-cert.pem'), fixture('localhost-key.pem')]
    const pems = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
    for (const tls of [{ cert, key }, pems]) {
      const node = await start({ tls, adminListen: null })
      expect(node.clientUrl as string).toMatch(/^wss:\/\/127\.0\.0\.1:\d+$/)
      const status = await new Promise((resolve, reject) => {
        request(`${(node.clientUrl as string).replace('wss', 'https')}/v1/nothing`, { ca: pems.cert }, (response) =>
          resolve(response.statusCode),
        )
          .on('error', reject)
          .end()
      })
      expect(status).toBe(404)
    }
  })

  test('IPv6, in brackets', async () => {
    const node = await start({ listen: '[::1]:0', adminListen: null })
    expect(node.clientUrl as string).toMatch(/^ws:\/\/\[::1\]:\d+$/)
    expect(node.adminUrl).toBeNull()
    expect((await fetch(`${http(node)}/v1/nothing`)).status).toBe(404)
  })

  test('a failed start lets go of everything: the store is closed, the port free', async () => {
    const first = await start()
    const store = memoryStore()
    await expect(start({ store, adminListen: new URL(first.adminUrl as string).host })).rejects.toThrow(/\(admin\): the port is in use/)
    await expect(store.newest(['user/alice'])).rejects.toThrow()
  })

  test('a key of another certificate', async () => {
    await expect(start({ tls: { cert: fixture('localhost-cert.pem'), key: fixture('other-key.pem') } })).rejects.toThrow(
      /certificate and key do not work/,
    )
    await expect(start({ tls: { cert: '/nowhere.pem', key: '/nowhere.pem' } })).rejects.toThrow(/tls\.cert: cannot read \/nowhere\.pem/)
  })
})

describe('settings are checked before anything is opened', () => {
  test.each<[string, object, RegExp]>([
    ['an unknown one', { lisen: '127.0.0.1:0' }, /there is no setting 'lisen'/],
    ['a wrong address', { listen: '::1:0' }, /listen: .*into brackets/],
    ['a wrong node name', { node: 'a b' }, /node 'a b'/],
    ['a wrong option', { options: { idleMs: 1 } }, /idleMs/],
    ['no app', { app: {} }, /app must be what app\(/],
    ['an admin port for others without a token', { adminListen: '0.0.0.0:0' }, /needs a token/],
    ['an admin token that can be guessed', { adminToken: 'short' }, /adminToken must be 8/],
    ['an unknown store', { store: 'redis://x' }, /is not sqlite:DIR, mongodb/],
  ])('%s', async (_, more, message) => {
    await expect(start(more)).rejects.toThrow(message)
  })
})
