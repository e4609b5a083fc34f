/**
 * What the SDK needs of the world, as ports, and their defaults for browsers, workers and Node >= 22.
 * The only file of the SDK that touches real time, randomness, sockets and globals.
 */

/** The part of a Clock (base/clock.ts) that the SDK uses; a virtual one fits. */
export interface ClientClock {
  /** Wall time, milliseconds since 1970. */
  now(): number
  /** Monotonic milliseconds. */
  mono(): number
  after(ms: number, run: () => void): { cancel(): void }
}

/** The part of a Random (base/random.ts) that the SDK uses: uniform in [0, 1). */
export interface ClientRandom {
  float(): number
}

/** What a transport tells. `closed` comes exactly once, also for a connection that never opened; nothing follows it. */
export interface SocketEvents {
  opened(): void
  /** One message: text, or bytes of a binary one. */
  message(data: string | Uint8Array): void
  closed(code: number, reason: string): void
}

export interface Socket {
  /** Never throws; what a closing socket is given is lost. */
  send(data: string | Uint8Array): void
  /** Idempotent. `code` is 1000 or 3000–4999 (browsers allow no other). */
  close(code: number, reason: string): void
}

/** Opens a connection that carries whole messages. Calls back later, never from inside the call. */
export type Transport = (url: string, subprotocol: string, events: SocketEvents) => Socket

/** Tells of moments at which a waiting reconnection should be tried at once. Returns how to stop telling. */
export type Wakeups = (wake: () => void) => () => void

/** What may be there, depending on where this runs; no type library of one host is assumed. */
interface Host {
  readonly addEventListener?: (type: string, run: () => void) => void
  readonly removeEventListener?: (type: string, run: () => void) => void
  readonly document?: Host & { readonly visibilityState?: string }
  readonly location?: { readonly href: string }
}
const host = globalThis as unknown as Host

/** Above this, timers of browsers and Node overflow and fire at once. */
const TIMER_MS_MAX = 2_147_483_647

export const platformClock: ClientClock = {
  now: () => Date.now(),
  mono: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, Math.min(Math.max(ms, 0), TIMER_MS_MAX))
    return { cancel: () => clearTimeout(timer) }
  },
}

export const platformRandom: ClientRandom = { float: () => Math.random() }

export const webSocketTransport: Transport = (url, subprotocol, events) => {
  const socket = new WebSocket(url, [subprotocol])
  socket.binaryType = 'arraybuffer'
  socket.onopen = () => events.opened()
  socket.onmessage = ({ data }: { data: unknown }) => events.message(typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer))
  socket.onclose = ({ code, reason }: { code: number; reason: string }) => events.closed(code, reason)
  return {
    send: (data) => {
      // 1 = OPEN. A browser throws while it connects and drops silently afterwards.
      if (socket.readyState === 1) socket.send(data as string)
    },
    close: (code, reason) => socket.close(code, reason),
  }
}

/** The network is back, the tab is shown again, or the page returns from the back/forward cache (which closes sockets). */
export const platformWakeups: Wakeups = (wake) => {
  const { document } = host
  const shown = (): void => {
    if (document?.visibilityState === 'visible') wake()
  }
  for (const type of ['online', 'pageshow']) host.addEventListener?.(type, wake)
  document?.addEventListener?.('visibilitychange', shown)
  return () => {
    for (const type of ['online', 'pageshow']) host.removeEventListener?.(type, wake)
    document?.removeEventListener?.('visibilitychange', shown)
  }
}

/** What nobody listens to, as hosts do with a promise that nobody handles. */
export const platformWarn = (error: Error): void => console.warn("troupe: nobody listens (onError, on('error')):", error)

/** The WebSocket address of what a person writes: http(s) is ws(s), a bare host means `/v1/ws`, relative to the page if there is one. */
export function socketUrl(given: string): string {
  let url: URL | undefined
  try {
    url = new URL(given, host.location?.href)
    url.protocol = url.protocol.replace(/^http/, 'ws')
  } catch {
    // Told below: what the platform throws does not name the address.
  }
  if (url === undefined || !/^wss?:/.test(url.protocol))
    throw new TypeError(`connect: '${given}' is not a ws, wss, http or https address: write it as ws://host:7000`)
  if (url.pathname === '/') url.pathname = '/v1/ws'
  url.hash = ''
  return url.href
}
