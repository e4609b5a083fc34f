/**
 * One Socket.IO process of socketio-redis.ts. Two processes serve the users, so both state and record of a user are in Redis: each event
 * is an INCR of the user's count and an XADD to the user's stream, and the acknowledgement waits for both.
 * Commands of one turn of the event loop go to Redis together (ioredis' auto-pipelining).
 * No adapter is set: it matters for broadcasts only, and there are none in this workload.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serveParent } from '../harness/child.ts'

// The peers' dependencies have a package.json of their own and are not there when the project is type-checked: the few members used.
interface ServerSocket {
  readonly handshake: { readonly query: { readonly user?: string } }
  on(event: 'ev', listener: (data: unknown, acknowledge: (answer: string) => void) => void): void
}
interface SocketIo {
  readonly Server: new (http: object, options: object) => { on(event: 'connection', listener: (socket: ServerSocket) => void): void }
}
interface Redis {
  incr(key: string): Promise<number>
  xadd(stream: string, id: '*', field: string, value: string): Promise<unknown>
  eval(script: string, keys: number): Promise<unknown>
}
interface IoRedis {
  readonly Redis: new (port: number, host: string, options: object) => Redis
}
const socketIo = 'socket.io'
const ioRedis = 'ioredis'
const { Server } = (await import(socketIo)) as SocketIo
const { Redis } = (await import(ioRedis)) as IoRedis

const redis = new Redis(Number(process.argv[2]), '127.0.0.1', { enableAutoPipelining: true })
const http = createServer()
const io = new Server(http, { transports: ['websocket'], serveClient: false })
io.on('connection', (socket) => {
  const user = socket.handshake.query.user ?? ''
  socket.on('ev', (data, acknowledge) => {
    void Promise.all([redis.incr(`count:${user}`), redis.xadd(`journal:${user}`, '*', 'd', JSON.stringify(data))]).then(() =>
      acknowledge('ok'),
    )
  })
})

const COUNT = `local n = 0 for _, key in ipairs(redis.call('KEYS', 'journal:*')) do n = n + redis.call('XLEN', key) end return n`
http.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  serveParent({ ports: [(http.address() as AddressInfo).port], pids: {} }, { recorded: () => redis.eval(COUNT, 0) }),
)
