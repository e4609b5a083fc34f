/** Sockets that listen: made, bound, and closed again; every failure to bind is a StartError that says what to do. */
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server as Listener } from 'node:net'
import type { Clock, Timer } from '../base/clock.ts'
import { authority, type Address } from './address.ts'
import { StartError } from './start-error.ts'

export interface TlsFiles {
  /** PEM text, or the path of a PEM file. */
  readonly cert: string
  readonly key: string
}

export function clientServer(tls: TlsFiles | undefined): Server {
  if (tls === undefined) return createHttpServer()
  const cert = pem('tls.cert', tls.cert)
  const key = pem('tls.key', tls.key)
  try {
    return createHttpsServer({ cert, key, minVersion: 'TLSv1.2' })
  } catch (error) {
    throw new StartError(`the TLS certificate and key do not work: ${text(error)}; 'troupe doctor --tls-cert … --tls-key …' says more`)
  }
}

/** PEM text as given, or read from the path given. */
export function pem(what: string, given: string): string {
  if (given.includes('-----BEGIN')) return given
  try {
    return readFileSync(given, 'utf8')
  } catch (error) {
    throw new StartError(`${what}: cannot read ${given}: ${text(error)}`)
  }
}

/**
 * Binds and returns `host:port` as bound. `option` is the name of what chose the address, for the message. With `shared` several processes may
 * have the port; the kernel deals connections out among them (SO_REUSEPORT).
 */
export async function listen(server: Listener, at: Address, what: string, option: string, shared = false): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      reject(new StartError(bindFailure(error, at, what, option), error, { inUse: error.code === 'EADDRINUSE', option }))
    server.once('error', failed)
    server.listen(
      { port: at.port, ...(at.host === '' ? {} : { host: at.host }), backlog: 4096, ...(shared && { reusePort: true }) },
      () => {
        server.off('error', failed)
        resolve()
      },
    )
  })
  const bound = server.address() as AddressInfo
  return authority(bound.address === '::' && at.host === '' ? '0.0.0.0' : bound.address, bound.port)
}

function bindFailure(error: NodeJS.ErrnoException, at: Address, what: string, option: string): string {
  const where = `cannot listen on ${authority(at.host, at.port)} (${what})`
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where}: the port is in use; stop the program that has it ('ss -ltnp sport = :${at.port}' shows which) or choose another with ${option} (port 0 = any)`
    case 'EACCES':
      return `${where}: not permitted; ports below 1024 need a privilege, choose a higher one with ${option}`
    case 'EADDRNOTAVAIL':
      return `${where}: this machine has no such address; choose one of its own, or 0.0.0.0 for all, with ${option}`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${where}: the host name cannot be resolved; give an address with ${option}`
    case undefined:
    default:
      return `${where}: ${error.message}; choose another address with ${option}`
  }
}

const LOOK_EVERY_MS = 20

/** Stops listening; answers under way may still be given for `graceMs`, then what is open is ended. Idempotent. */
export async function closeServer(server: Server, clock: Clock, graceMs: number): Promise<void> {
  const until = clock.mono() + graceMs
  await new Promise<void>((resolve) => {
    let timer: Timer | null = null
    const look = (): void => {
      if (clock.mono() >= until) server.closeAllConnections()
      else {
        server.closeIdleConnections()
        timer = clock.after(LOOK_EVERY_MS, look)
      }
    }
    server.close(() => {
      timer?.cancel()
      resolve()
    })
    look()
  })
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
