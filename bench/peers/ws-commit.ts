/**
 * Peer, and the yardstick of P1: bare `ws` with group commit to an embedded store, as a good engineer writes it by hand for one node.
 * State of each user in a Map; each event a row of a journal in SQLite (WAL, synchronous=FULL) in a worker thread; one transaction for
 * whatever came while the last one ran; the acknowledgement after it. After a crash the Map is counted up from the journal again.
 * It does not do what is beyond that: no retries without duplicates, no snapshots, no fence, no topics, no back-pressure, no limits.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Worker } from 'node:worker_threads'
import { WebSocketServer, type WebSocket } from 'ws'
import { serveParent } from '../harness/child.ts'

interface User {
  readonly name: string
  events: number
  last: unknown
}

const directory = process.argv[2] as string
const committer = new Worker(new URL('ws-commit-worker.ts', import.meta.url), { workerData: `${directory}/journal.db` })
const users = new Map<string, User>()

/** Rows of the next transaction, flat: user, n, data, user, n, data … A flat array of strings and numbers is cheap to clone to the worker. */
let rows: (string | number)[] = []
let waiting: { readonly ws: WebSocket; readonly id: number }[] = []
let committing: typeof waiting | null = null
let asker: ((recorded: number) => void) | null = null

function commit(): void {
  if (committing !== null || rows.length === 0) return
  committing = waiting
  committer.postMessage(rows)
  rows = []
  waiting = []
}

committer.on('message', (message: number | 'committed') => {
  if (message !== 'committed') {
    asker?.(message)
    return
  }
  const done = committing ?? []
  committing = null
  // The next transaction runs while the acknowledgements of this one are written.
  commit()
  for (const { ws, id } of done) ws.send(`{"id":${id},"ok":true}`)
})
committer.on('error', (error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exit(1)
})

const http = createServer()
const sockets = new WebSocketServer({ server: http, clientTracking: false })
sockets.on('connection', (ws, request) => {
  const name = new URLSearchParams((request.url as string).slice(2)).get('user') ?? ''
  let user = users.get(name)
  if (user === undefined) users.set(name, (user = { name, events: 0, last: null }))
  const mine = user
  ws.on('error', () => undefined)
  ws.on('message', (bytes: Buffer) => {
    const { id, data } = JSON.parse(bytes.toString()) as { id: number; data: unknown }
    mine.events++
    mine.last = data
    rows.push(mine.name, mine.events, JSON.stringify(data))
    waiting.push({ ws, id })
    commit()
  })
  ws.send('{"hello":true}')
})

http.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  serveParent(
    { ports: [(http.address() as AddressInfo).port], pids: {} },
    {
      recorded: () =>
        new Promise<number>((resolve) => {
          asker = resolve
          committer.postMessage('count')
        }),
    },
  ),
)
