/** One production node and the commands that talk to it, as processes. */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ANY_PORTS, APP, cleanUp, folder, Running, serving, troupe, type Node, type Ran } from './troupe.ts'

const gates: HttpServer[] = []
afterAll(() => {
  cleanUp()
  for (const gate of gates) gate.closeAllConnections()
  for (const gate of gates) gate.close()
})

const start = (cwd: string, ...more: readonly string[]): Running =>
  new Running(['start', 'app.ts', '--insecure', ...ANY_PORTS, ...more], { cwd })

/** Holds an app that fetches its URL while it loads; `reached` gives how to let it go. */
async function loadingGate(): Promise<{ readonly url: string; readonly reached: Promise<() => void> }> {
  const reached = Promise.withResolvers<() => void>()
  const server = createHttpServer((_, response) => reached.resolve(() => response.end()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  gates.push(server)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, reached: reached.promise }
}

describe('a running node', () => {
  const cwd = folder()
  let node: Node
  const client = (...args: readonly string[]): Promise<Ran> => troupe([...args, '--url', node.client], { cwd })
  const admin = (...args: readonly string[]): Promise<Ran> => troupe([...args, '--url', node.admin], { cwd })
  beforeAll(async () => {
    node = await serving(start(cwd))
  })

  test('prints a line for each listener, then ready; logs are JSON on standard error', () => {
    expect(node.running.out).toEqual([
      expect.stringMatching(/^client ws:/),
      expect.stringMatching(/^rpc 127/),
      expect.stringMatching(/^admin http:/),
      'ready',
    ])
    for (const line of node.running.err) expect(JSON.parse(line)).toMatchObject({ node: 'node-1', msg: expect.any(String) as string })
  })

  test('send, query, history and inspect agree, over either port', async () => {
    expect(await client('send', 'user/alice', 'note.added', '{"text":"one"}')).toMatchObject({ code: 0, out: 'offset 1\n' })
    expect(await admin('send', 'user/alice', 'note.added', '{"text":"two"}', '--json')).toMatchObject({
      code: 0,
      out: '{"offset":2,"durable":true}\n',
    })
    expect(await client('query', 'user/alice', 'count', '--strict')).toMatchObject({ code: 0, out: '2\n' })
    expect(JSON.parse((await admin('query', 'user/alice', 'count', '--json')).out)).toEqual({ data: 2, offset: 2 })
    for (const ask of [client, admin]) {
      const { entries, more } = JSON.parse((await ask('history', 'user/alice', '--json')).out) as {
        entries: { offset: number; data: unknown }[]
        more: boolean
      }
      expect(entries.map(({ offset, data }) => [offset, data])).toEqual([
        [1, { text: 'one' }],
        [2, { text: 'two' }],
      ])
      expect(more).toBe(false)
    }
    expect(JSON.parse((await admin('inspect', 'user/alice', '--json')).out)).toMatchObject({ offset: 2, state: { notes: 2, last: 'two' } })
    expect((await admin('inspect', 'user/alice')).out).toMatch(/^offset\s+2$/m)
  })

  test('history pages and says that there is more', async () => {
    for (const text of ['a', 'b', 'c']) await client('send', 'user/pages', 'note.added', JSON.stringify({ text }))
    const { out, err } = await client('history', 'user/pages', '--from', '2', '--limit', '1')
    expect(out).toMatch(/^2 {2}\S+Z {2}note\.added {2}\{"text":"b"\}\n$/)
    expect(err).toContain('--from 3')
  })

  test('data comes from standard input with -, and a key makes a repeat harmless', async () => {
    const again = (): Promise<Ran> =>
      troupe(['send', 'user/key', 'note.added', '-', '--key', 'k', '--url', node.client], { cwd, input: '{"text":"in"}' })
    expect(await again()).toMatchObject({ code: 0, out: 'offset 1\n' })
    expect(await again()).toMatchObject({ code: 0, out: 'offset 1 (already recorded before)\n' })
  })

  test('watch follows until it has seen enough', async () => {
    for (const url of [node.client, node.admin]) {
      const actor = url === node.client ? 'user/w1' : 'user/w2'
      const watch = new Running(['watch', actor, 'summary', '--count', '2', '--url', url])
      expect(await watch.line('out', /.*/)).toMatchObject({ 0: '{"notes":0,"last":""}' })
      await client('send', actor, 'note.added', '{"text":"x"}')
      expect(await watch.line('out', /.*/)).toMatchObject({ 0: '{"notes":1,"last":"x"}' })
      expect(await watch.exit).toBe(0)
    }
  })

  test('watch ends with 0 on Ctrl-C', async () => {
    const watch = new Running(['watch', 'user/w3', 'summary', '--url', node.client])
    await watch.line('out', /notes/)
    watch.signal('SIGINT')
    expect(await watch.exit).toBe(0)
  })

  test('failures come out as code, reason and message, with 1', async () => {
    const cases: readonly (readonly [Promise<Ran>, RegExp])[] = [
      [client('send', 'user/alice', 'note.added', '{"text":"bad"}'), /^troupe: refused \(full\): no more notes\n$/],
      [client('send', 'user/alice', 'nope', '{}'), /^troupe: unknown_event: 'user' has no event 'nope'; it has 'note\.added'/],
      [client('query', 'user/alice', 'nope'), /^troupe: unknown_query: 'user' has no query 'nope'; it has 'count'/],
      [client('watch', 'user/alice', 'nope'), /^troupe: unknown_topic: 'user' has no topic 'nope'; it has 'feed', 'changed', 'summary'/],
      [client('send', 'user/alice', 'note.added', '{"text":"x"}', '--token', 'dev:bob'), /^troupe: denied: .*as the operator/],
      [
        client('send', 'user/alice', 'note.added', '{"text":"x"}', '--token', 'nonsense'),
        /^troupe: unauthenticated: here everybody is who they say: give the token dev:NAME, or \?as=NAME in the address\n$/,
      ],
      [admin('inspect', 'user/nobody'), /^troupe: not_found: user\/nobody has no journal/],
      [admin('drain', 'other'), /^troupe: not_found: there is no node 'other'; this cluster has node-1/],
    ]
    for (const [running, message] of cases)
      expect(await running).toMatchObject({ code: 1, out: '', err: expect.stringMatching(message) as string })
  })

  test('nodes and locate', async () => {
    expect(JSON.parse((await admin('nodes', '--json')).out)).toMatchObject({ nodes: [{ id: 'node-1', phase: 'serving', types: ['user'] }] })
    expect((await admin('nodes')).out).toMatch(/^node-1\s+1\s+alive\s+serving/m)
    expect(await admin('locate', 'user/zoe')).toMatchObject({ code: 0, out: 'node-1\n' })
  })

  test('load reports what it did', async () => {
    const { code, out, err } = await client('load', 'note.added', '--connections', '5', '--rate', '200', '--duration', '500ms', '--json')
    expect(err).toBe('')
    expect(code).toBe(0)
    const report = JSON.parse(out) as { connections: number; sent: number; accepted: number; latencyMs: Record<string, number> }
    expect(report).toMatchObject({ connections: 5, failed: 0, unanswered: 0, notSent: 0, lostConnections: 0, errors: {} })
    expect(report.sent).toBeGreaterThan(0)
    expect(report.accepted).toBe(report.sent)
    expect(report.latencyMs['p50']).toBeLessThanOrEqual(report.latencyMs['max'] as number)
  })

  test('load whose events are refused fails and says why', async () => {
    const { code, out, err } = await client(
      'load',
      'note.added',
      '--data',
      '{"text":"bad"}',
      '--connections',
      '1',
      '--rate',
      '50',
      '--duration',
      '200ms',
      '--json',
    )
    expect(code).toBe(1)
    expect(err).toMatch(/^troupe: \d+ failed, 0 unanswered/)
    const { failed, errors } = JSON.parse(out) as { failed: number; errors: Record<string, number> }
    expect(errors).toEqual({ refused: failed })
  })

  test('load without a node, or with tokens that are not taken, says so', async () => {
    expect(await troupe(['load', 'x', '--url', 'http://127.0.0.1:1'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^troupe: cannot connect to http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/) as string,
    })
    expect(await client('load', 'x', '--token', 'nope')).toMatchObject({ code: 1, err: expect.stringContaining('bye 3500') as string })
  })

  test('verify works while the node runs', async () => {
    expect(await troupe(['verify', 'user/alice'], { cwd })).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^user\/alice: 2 batches, 2 entries: the chain is whole/) as string,
    })
    expect(JSON.parse((await troupe(['verify', '--all', '--json'], { cwd })).out)).toMatchObject({ ok: true, wrong: [] })
  })

  test('a second node on its ports is told which, and what to do', async () => {
    const { host } = new URL(node.client)
    const taken = await troupe(
      ['start', 'app.ts', '--insecure', '--log-level', 'error', '--store', 'memory:', '--listen', host, '--admin-listen', 'none'],
      { cwd },
    )
    expect(taken).toMatchObject({ code: 1, out: '' })
    expect(taken.err).toMatch(
      new RegExp(`^troupe: cannot listen on ${host.replaceAll('.', '\\.')} \\(client\\): the port is in use;.*--listen.*\\n$`),
    )
  })

  test('drain lets it finish and go with 0; what was acknowledged is there after the next start', async () => {
    expect(await admin('drain', 'node-1')).toMatchObject({ code: 0, out: 'node-1 has drained\n' })
    expect(await node.running.exit).toBe(0)
    node = await serving(start(cwd))
    expect(await client('query', 'user/alice', 'count')).toMatchObject({ out: '2\n' })
    node.running.signal('SIGTERM')
    expect(await node.running.exit).toBe(0)
  })
})

describe('signals', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s drains: sockets are told, exit 0', async (signal) => {
    const node = await serving(start(folder(), '--option', 'drainSpreadMs=0'))
    const socket = new WebSocket(`${node.client.replace('http', 'ws')}/v1/ws`, 'troupe.v1.json')
    const seen: string[] = []
    const welcomed = Promise.withResolvers<void>()
    const closed = new Promise<number>((resolve) => socket.addEventListener('close', ({ code }) => resolve(code)))
    socket.addEventListener('open', () => socket.send('{"t":"connect","token":"dev:alice"}'))
    socket.addEventListener('message', ({ data }: MessageEvent<string>) => {
      for (const line of data.split('\n')) seen.push((JSON.parse(line) as { t: string }).t)
      if (seen.includes('welcome')) welcomed.resolve()
    })
    await welcomed.promise
    node.running.signal(signal)
    expect(await closed).toBe(3015)
    expect(seen).toEqual(['welcome', 'hint', 'bye'])
    expect(await node.running.exit).toBe(0)
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('%s while the app still loads: exit 0, never served', async (signal) => {
    const gate = await loadingGate()
    const starting = start(folder({ 'app.ts': `await fetch('${gate.url}')\n${APP}` }))
    const letGo = await gate.reached
    starting.signal(signal)
    await starting.line('err', /drains/)
    letGo()
    expect(await starting.exit).toBe(0)
    expect(starting.out).toEqual([])
  })

  test('a second signal while the app still loads stops at once', async () => {
    const gate = await loadingGate()
    const starting = start(folder({ 'app.ts': `await fetch('${gate.url}')\n${APP}` }))
    await gate.reached
    starting.signal('SIGTERM')
    await starting.line('err', /drains/)
    starting.signal('SIGTERM')
    expect(await starting.exit).toBe(1)
  })

  test('a second signal stops at once', async () => {
    // A drain that would take an hour.
    const node = await serving(start(folder(), '--option', 'drainSpreadMs=3600000'))
    const socket = new WebSocket(`${node.client.replace('http', 'ws')}/v1/ws`)
    await new Promise((resolve) => socket.addEventListener('open', resolve))
    node.running.signal('SIGTERM')
    await node.running.line('err', /drains/)
    node.running.signal('SIGTERM')
    expect(await node.running.exit).toBe(1)
  })
})

describe('a node that cannot start says why in one line', () => {
  const refused = async (cwd: string, ...args: readonly string[]): Promise<string> => {
    const { code, out, err } = await troupe(['start', 'app.ts', ...ANY_PORTS, '--log-level', 'silent', ...args], { cwd })
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(/^troupe: [^\n]*\n$/)
    return err
  }

  test('no authenticate', async () => {
    expect(await refused(folder())).toMatch(/no 'authenticate'.*troupe dev.*--insecure/)
  })

  test('an app that throws when it is loaded: which file and line', async () => {
    expect(await refused(folder({ 'app.ts': "const x: number = 1\nthrow new RangeError('no luck')" }))).toMatch(
      /app\.ts does not load: RangeError: no luck \(app\.ts:2:\d+\)/,
    )
  })

  test('an app with a syntax that Node cannot strip', async () => {
    expect(await refused(folder({ 'app.ts': 'enum A { B }\nexport default A' }))).toMatch(/app\.ts does not load: .*enum/i)
  })

  test('an app without a default app', async () => {
    expect(await refused(folder({ 'app.ts': 'export default { actors: {} }' }))).toMatch(/does not 'export default app\(/)
  })

  test('an app whose actor is wrong', async () => {
    expect(await refused(folder({ 'app.ts': APP.replace("actor('user'", "actor('us/er'") }))).toMatch(
      /actor\('us\/er'\): a type is a letter/,
    )
  })

  test('a store that is not one', async () => {
    const cwd = folder({ 'app.ts': APP, 'troupe.db': 'this is not a database, and long enough to be read as a header of one'.repeat(30) })
    expect(await refused(cwd, '--insecure', '--store', `sqlite:${cwd}`)).toMatch(/cannot open the store: .*troupe\.db/)
  })

  test('an address that is not of this machine', async () => {
    expect(await refused(folder(), '--insecure', '--store', 'memory:', '--listen', '192.0.2.1:0')).toMatch(
      /cannot listen on 192\.0\.2\.1:0 \(client\): this machine has no such address/,
    )
  })

  test('the admin port is in use: the client port is let go again', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    try {
      expect(await refused(folder(), '--insecure', '--store', 'memory:', '--admin-listen', `127.0.0.1:${port}`)).toMatch(
        /\(admin\): the port is in use;.*--admin-listen/,
      )
    } finally {
      other.close()
    }
  })

  test('an admin port for everybody without a token', async () => {
    const { code, err } = await troupe(
      ['start', 'app.ts', '--insecure', '--store', 'memory:', '--listen', '127.0.0.1:0', '--admin-listen', '0.0.0.0:0'],
      { cwd: folder() },
    )
    expect([code, err]).toEqual([2, expect.stringMatching(/needs a token: TROUPE_ADMIN_TOKEN/)])
  })

  test('a certificate that is not one', async () => {
    const cwd = folder({ 'app.ts': APP, 'c.pem': 'x', 'k.pem': 'y' })
    expect(await refused(cwd, '--insecure', '--store', 'memory:', '--tls-cert', 'c.pem', '--tls-key', 'k.pem')).toMatch(
      /TLS certificate and key do not work/,
    )
  })
})

describe('an app of its own world', () => {
  test('authenticate with a JWT secret takes what `troupe token` signs', async () => {
    const secret = 'a secret of at least thirty-two bytes'
    const cwd = folder({
      'app.ts': APP.replace('app({ actors', `app({ authenticate: { jwt: { secret: '${secret}' } }, actors`),
      'secret.txt': `${secret}\n`,
    })
    const node = await serving(new Running(['start', 'app.ts', ...ANY_PORTS, '--store', 'memory:'], { cwd }))
    const { out: token, code } = await troupe(['token', 'alice', '--secret-file', join(cwd, 'secret.txt')])
    expect(code).toBe(0)
    const send = (...args: readonly string[]): Promise<Ran> =>
      troupe(['send', 'user/alice', 'note.added', '{"text":"x"}', '--url', node.client, ...args])
    expect(await send('--token', token.trim())).toMatchObject({ code: 0, out: 'offset 1\n' })
    expect(await send('--token', 'dev:alice')).toMatchObject({ code: 1, err: expect.stringContaining('unauthenticated') as string })
    node.running.signal('SIGTERM')
    expect(await node.running.exit).toBe(0)
  })

  test('something the app left running does not keep a drained process', async () => {
    const node = await serving(
      new Running(['start', 'app.ts', '--insecure', ...ANY_PORTS, '--store', 'memory:'], {
        cwd: folder({ 'app.ts': `${APP}\nsetInterval(() => undefined, 1000)` }),
      }),
    )
    node.running.signal('SIGTERM')
    expect(await node.running.exit).toBe(0)
  })

  test('an error that nobody catches stops the node with 1 and a line in the log', async () => {
    const late = "setTimeout(() => { throw new Error('late trouble') }, 0)"
    const text = APP.replace('app({ actors', `app({ authenticate: () => { ${late}; return null }, actors`)
    const node = await serving(new Running(['start', 'app.ts', ...ANY_PORTS, '--store', 'memory:'], { cwd: folder({ 'app.ts': text }) }))
    await troupe(['query', 'user/alice', 'count', '--url', node.client])
    expect(await node.running.exit).toBe(1)
    expect(node.running.err.map((line) => JSON.parse(line) as object)).toContainEqual(
      expect.objectContaining({ level: 50, error: 'late trouble' }),
    )
  })

  test('an admin port with a token is used with --admin-token or TROUPE_ADMIN_TOKEN', async () => {
    const env = { TROUPE_ADMIN_TOKEN: 'a-token-for-operators' }
    const node = await serving(
      new Running(['start', 'app.ts', '--insecure', '--listen', '127.0.0.1:0', '--admin-listen', '0.0.0.0:0', '--store', 'memory:'], {
        cwd: folder(),
        env,
      }),
    )
    const url = node.admin.replace('0.0.0.0', '127.0.0.1')
    expect(await troupe(['nodes', '--url', url])).toMatchObject({ code: 1, err: expect.stringContaining('unauthenticated') as string })
    expect(await troupe(['nodes', '--url', url, '--admin-token', 'wrong-token'])).toMatchObject({ code: 1 })
    expect(await troupe(['nodes', '--url', url], { env })).toMatchObject({ code: 0 })
    expect(await troupe(['send', 'user/alice', 'note.added', '{"text":"x"}', '--url', url], { env })).toMatchObject({
      code: 0,
      out: 'offset 1\n',
    })
    node.running.signal('SIGTERM')
    expect(await node.running.exit).toBe(0)
  })
})
