/**
 * Peer: Socket.IO, two processes, with one Redis. This process starts Redis and both servers.
 * Arguments: directory, `always` or `everysec` (appendfsync).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { serveParent, startChild } from '../harness/child.ts'

const SERVERS = 2
const TRIES = 500
const [directory, fsync] = process.argv.slice(2) as [string, string]
const port = await freePort()
const redis = spawn(
  'redis-server',
  ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--appendonly', 'yes', '--appendfsync', fsync, '--save', ''],
  { stdio: 'ignore' },
)
redis.on('error', (error) => {
  process.stderr.write(`redis-server could not be started (Debian: apt-get install redis-server): ${error.message}\n`)
  process.exit(1)
})
redis.on('exit', (code) => {
  process.stderr.write(`redis-server ended with ${code}\n`)
  process.exit(1)
})
process.on('exit', () => redis.kill('SIGKILL'))

await answers(port)
const servers = await Promise.all(
  Array.from({ length: SERVERS }, () => startChild(new URL('socketio-server.ts', import.meta.url), [String(port)])),
)
serveParent(
  {
    ports: servers.flatMap(({ ready }) => ready.ports),
    pids: { redis: redis.pid as number, ...Object.fromEntries(servers.map(({ pid }, i) => [`socket.io-${i + 1}`, pid])) },
  },
  { recorded: () => servers[0]?.ask('recorded') },
  async () => {
    await Promise.all(servers.map((server) => server.stop()))
    redis.removeAllListeners('exit')
    redis.kill('SIGKILL')
  },
)

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: free } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return free
}

async function answers(at: number): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const socket = connect(at, '127.0.0.1')
    const open = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'close').then(() => false)]).catch(() => false)
    socket.destroy()
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`redis-server does not answer on port ${at}`)
}
