/** Nodes that another process keeps running: `troupe cluster`, and `troupe start --workers`. */
import { createServer } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import type { ShownNode } from '../../src/admin/parts.ts'
import { cleanUp, Running, troupe } from '../cli/troupe.ts'
import { freePort } from '../support/ports.ts'
import { ASK_MS, place, until } from './nodes.ts'

afterAll(cleanUp)

async function nodesAt(admin: number): Promise<readonly ShownNode[]> {
  const response = await fetch(`http://127.0.0.1:${admin}/v1/nodes`, { signal: AbortSignal.timeout(ASK_MS) })
  return ((await response.json()) as { nodes: readonly ShownNode[] }).nodes
}

const serving = (nodes: readonly ShownNode[]): string =>
  nodes
    .filter(({ state, actors }) => state === 'alive' && actors !== null)
    .map(({ id, generation }) => `${id}@${generation}`)
    .join(' ')

/** Until these serve and no others. Asked again, for a node that is busy does not always say its figures in time. */
const served = (what: string, admin: number, wanted: string): Promise<unknown> =>
  until(
    what,
    () => nodesAt(admin),
    (nodes) => serving(nodes) === wanted,
  )

const count = (running: Running, pattern: RegExp): number => running.out.filter((line) => pattern.test(line)).length

test('troupe cluster: tells each process’s id, is ready once; one that is killed comes back, one that is drained stays out; SIGUSR2 restarts all, also that one; Ctrl-C drains all', async () => {
  const port = await freePort([10, 100, 110, 200, 210])
  const running = new Running(['cluster', 'app.ts', '--nodes', '2', '--port', String(port)], { cwd: place() })
  const pid = Number((await running.line('out', /^node-2 pid (\d+)$/))[1])
  await running.line('out', /^ready$/)
  await served('both serve', port + 200, 'node-1@1 node-2@1')
  process.kill(pid, 'SIGKILL')
  await running.line('err', /^node-2 was ended by SIGKILL; starts again in \d+ ms$/)
  await served('node-2 is back', port + 200, 'node-1@1 node-2@2')
  const url = `http://127.0.0.1:${port + 200}`
  expect(await troupe(['drain', 'node-2', '--url', url])).toMatchObject({
    code: 0,
    out: 'node-2 has drained\n',
    err: expect.any(String) as string,
  })
  await running.line('err', /^node-2 has drained and left$/)
  await served('node-2 is out', port + 200, 'node-1@1')
  running.signal('SIGUSR2')
  await running.line('err', /^node-1 restarts \(1 of 2\)$/)
  await running.line('err', /^node-2 restarts \(2 of 2\)$/)
  await running.line('err', /^node-2 was the last: all 2 were restarted, in [\d.]+ s$/)
  await served('both serve again', port + 200, 'node-1@2 node-2@3')
  running.signal('SIGINT')
  expect(await running.exit).toBe(0)
  expect([count(running, /^ready$/), count(running, /^node-2 pid/), count(running, /^node-1 pid/)]).toEqual([1, 3, 2])
}, 240_000)

test('troupe cluster: a port in use is told with the flag of cluster that chooses it', async () => {
  const port = await freePort([10, 100, 110, 200, 210])
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(port + 110, '127.0.0.1', resolve))
  try {
    const { code, out, err } = await troupe(['cluster', 'app.ts', '--nodes', '2', '--port', String(port)], { cwd: place() })
    const told = err.split('\n').filter((line) => line.includes('in use'))
    // And no node was started: those with ports would meet the program that has the others, and say much that is not the matter.
    expect([out, err.split('\n').length, told.length]).toEqual(['', 2, 1])
    for (const line of told) {
      expect(line).toMatch(
        new RegExp(`127\\.0\\.0\\.1:${port + 110} \\(rpc\\): the port is in use.* choose another with --port, from which`),
      )
      expect(line).not.toMatch(/--(rpc-|admin-)?listen|port 0/)
    }
    expect(code).toBe(1)
  } finally {
    other.close()
  }
}, 120_000)

test('start --workers: one client port for all; one that is killed comes back; SIGTERM drains all', async () => {
  const port = await freePort([100, 110, 200, 210])
  const at = (step: number): string => `127.0.0.1:${port + step}`
  const ports = ['--listen', at(0), '--rpc-listen', at(100), '--admin-listen', at(200)]
  const running = new Running(['start', 'app.ts', '--insecure', '--node', 'web', '--workers', '2', ...ports], { cwd: place() })
  const pid = Number((await running.line('out', /^web-2 pid (\d+)$/))[1])
  await running.line('out', /^ready$/)
  await served('both serve', port + 200, 'web-1@1 web-2@1')
  const send = (i: number): Promise<Response> =>
    fetch(`http://${at(0)}/v1/actors/list/shared/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer dev:x', connection: 'close' },
      body: JSON.stringify({ type: 'add', data: { id: String(i) }, key: String(i) }),
    })
  for (let i = 0; i < 10; i++) expect((await send(i)).status).toBe(200)
  process.kill(pid, 'SIGKILL')
  // The kernel takes the dead one's socket out of the port: whoever connects now reaches the other.
  await until(
    'it goes on',
    () => send(10),
    ({ status }) => status === 200,
  )
  await served('web-2 is back', port + 200, 'web-1@1 web-2@2')
  // The others see it before its own admin port is open.
  const asked = await until(
    'its admin port answers',
    () => fetch(`http://${at(210)}/v1/actors/list/shared/queries/got?strict=true`),
    ({ status }) => status === 200,
  )
  const { data } = (await asked.json()) as { data: string[] }
  expect(data).toEqual(Array.from({ length: 11 }, (_, i) => String(i)))
  running.signal('SIGTERM')
  expect(await running.exit).toBe(0)
}, 240_000)
