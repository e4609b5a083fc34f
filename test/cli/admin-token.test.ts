/** The admin token goes to admin ports only, wherever --url points. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { run } from '../../src/cli/program.ts'

const TOKEN = 'a-token-for-operators'

let server: Server | null = null
afterEach(() => {
  vi.unstubAllEnvs()
  server?.closeAllConnections()
  server?.close()
})

interface Asked {
  readonly path: string
  readonly authorization: string | undefined
}

/** Runs a command against a port that says `livez` of itself; with what each of its requests showed. */
async function asked(
  args: readonly string[],
  livez: object | null,
  status = 200,
): Promise<{ readonly asked: Asked[]; readonly err: string[]; readonly code: number }> {
  const all: Asked[] = []
  server = createServer((request, response) => {
    const path = request.url ?? ''
    all.push({ path, authorization: request.headers.authorization })
    if (path === '/livez')
      return void response
        .writeHead(livez === null ? 404 : status, { 'content-type': 'application/json', location: '/moved' })
        .end(JSON.stringify(livez ?? {}))
    if (path.includes('/topics/'))
      return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end('event: note\nid: j:1\ndata: {"offset":1}\n\n')
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end('{"nodes":[],"entries":[],"timers":[],"effects":[],"data":1,"more":false}')
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  vi.stubEnv('TROUPE_ADMIN_TOKEN', TOKEN)
  const err: string[] = []
  const terminal = { out: () => undefined, err: (line: string) => err.push(line), status: () => undefined, interactive: false }
  const code = await run([...args, '--url', url], terminal)
  return { asked: all, err, code }
}

const OF_ACTORS = [
  ['send', 'user/alice', 'note.added'],
  ['query', 'user/alice', 'count'],
  ['watch', 'user/alice', 'summary', '--count', '1'],
  ['history', 'user/alice'],
]
const OF_NODES = [['nodes'], ['locate', 'user/alice'], ['inspect', 'user/alice'], ['drain', 'node-1', '--plan'], ['remove', 'node-1']]

test.each(OF_ACTORS)('%s on a client port asks as the user', async (...args) => {
  const { asked: all, code } = await asked(args, null)
  expect(all.map(({ authorization }) => authorization)).toEqual([undefined, 'Bearer dev:alice'])
  expect(code).toBe(0)
})

test.each(OF_NODES)('%s on a client port is refused before anything is shown', async (...args) => {
  const { asked: all, err, code } = await asked(args, null)
  expect(all).toEqual([{ path: '/livez', authorization: undefined }])
  expect(err).toEqual([
    expect.stringMatching(/^troupe: http:\S+ is not the admin port of a node, so the admin token was not sent there; .*--url/),
  ])
  expect(code).toBe(1)
})

test.each([...OF_ACTORS, ...OF_NODES])('%s on an admin port asks as the operator', async (...args) => {
  const { asked: all } = await asked(args, { ok: true, port: 'admin' })
  const [first, ...rest] = all.map(({ authorization }) => authorization)
  expect(first).toBeUndefined()
  expect(new Set(rest)).toEqual(new Set([`Bearer ${TOKEN}`]))
})

test.each([
  ['an app’s own /livez', { ok: true }, 200],
  ['one that is not well', { port: 'admin' }, 503],
  ['one that sends elsewhere', { port: 'admin' }, 302],
])('%s does not make an admin port', async (_, livez, status) => {
  expect((await asked(['nodes'], livez, status)).asked).toEqual([{ path: '/livez', authorization: undefined }])
})

test('a user’s token that is given is what is shown, and nothing is asked before', async () => {
  const { asked: all } = await asked(['query', 'user/alice', 'count', '--token', 'dev:bob'], null)
  expect(all.map(({ authorization }) => authorization)).toEqual(['Bearer dev:bob'])
})
