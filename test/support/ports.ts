/**
 * Ports for what goes away and comes back under the same one. A system gives the ports of its own range (Linux: from 32,768) to every connection and to
 * every listener on port 0: one of those may be another's when its first owner comes back. These lie below, beside those of test/faults.
 */
import { createServer, type AddressInfo, type Server } from 'node:net'

/** First and last: of processes, whose ports are free before they start; of servers here. Apart, so that neither takes what the other has left for a while. */
const PROCESSES = [10_000, 14_999] as const
const SERVERS = [15_000, 19_999] as const
const TRIES = 50

/** Each process begins elsewhere, and goes on from there: what is away is not chosen again soon. */
let next = SERVERS[0] + Math.floor(Math.random() * (SERVERS[1] - SERVERS[0] + 1))

function listening(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const failed = (): void => resolve(false)
    server.once('error', failed)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', failed)
      resolve(true)
    })
  })
}

/** A port such that it and these above it are free now. */
export async function freePort(above: readonly number[] = []): Promise<number> {
  const [first, last] = PROCESSES
  const choices = last - Math.max(0, ...above) - first + 1
  for (let tries = 0; tries < TRIES; tries++) {
    const port = first + Math.floor(Math.random() * choices)
    const held = [0, ...above].map((step) => ({ step, server: createServer() }))
    const all = await Promise.all(held.map(({ step, server }) => listening(server, port + step)))
    await Promise.all(held.map(({ server }) => new Promise((resolve) => server.close(resolve))))
    if (all.every(Boolean)) return port
  }
  throw new Error('no free ports')
}

/** Lets a server listen, and says where. */
export async function listenAnywhere(server: Server): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    const port = next
    next = port === SERVERS[1] ? SERVERS[0] : port + 1
    if (await listening(server, port)) return (server.address() as AddressInfo).port
  }
  throw new Error('no free ports')
}
