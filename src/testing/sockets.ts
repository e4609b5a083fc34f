/**
 * The sockets of a world's clients: whole messages, in order, each way after a latency, between the SDK and a node's gateway. A gateway that crashed ends
 * them, one that is frozen takes and says nothing. What happens to a client's network, who opened the socket decides: `Wire`.
 */
import type { Random } from '../base/random.ts'
import type { Socket as ClientSocket, SocketEvents } from '../client/platform.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { Socket as ServerSocket } from '../gateway/socket.ts'
import type { NodeProcess } from './process.ts'
import type { VirtualTime } from './virtual-time.ts'

const ABNORMAL = 1006
const LATENCY_MS = [0.2, 2] as const
/** As `ws` has it: a closing handshake that the other side does not answer ends the socket then. */
const CLOSING_MS = 30_000

/** A client's socket, and what can happen on its way. */
export interface Wire extends ClientSocket {
  /** From now on nothing gets through, that way: what a gateway writes waits there, what the client says arrives later, or never. */
  hold(way: 'down' | 'up'): void
  /** Though it is held, the client takes the oldest of what waits. */
  sip(): void
  release(): void
  /** The connection breaks: what is under way is lost, and both ends hear of it. */
  reset(): void
  /** The client's end breaks: it hears so, its gateway does not, and nothing gets through any more. As when a phone changes its network. */
  lose(): void
}

/** Sees one connection at its gateway's end. Only looks. */
export interface WireWatch {
  /** The gateway is given this message. */
  read(text: string): void
  /** The gateway wrote these messages, as so many bytes, when so many of others had not been taken. */
  wrote(texts: readonly string[], bytes: number, waitingBytes: number): void
  /** The client took so many bytes of what was written. */
  took(bytes: number): void
  /** The gateway has let go of it, or is gone. */
  ended(): void
}
export type Watch = (process: NodeProcess) => WireWatch

export class Sockets {
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #find: (host: string) => NodeProcess | null
  readonly #watch: Watch | undefined
  readonly #lines = new Set<Line>()

  /** `find`: who takes a connection to this host now. */
  constructor(time: VirtualTime, find: (host: string) => NodeProcess | null, watch?: Watch) {
    this.#time = time
    this.#random = time.random('sockets')
    this.#find = find
    this.#watch = watch
  }

  /** That are not over, for the client or for its gateway. */
  get size(): number {
    return this.#lines.size
  }

  open(url: string, events: SocketEvents): Wire {
    const line: Line = new Line(events, {
      later: (run) => void this.#time.after(LATENCY_MS[0] + (LATENCY_MS[1] - LATENCY_MS[0]) * this.#random.float(), run),
      closing: (run) => void this.#time.after(CLOSING_MS, run),
      over: () => this.#lines.delete(line),
      watch: this.#watch,
    })
    this.#lines.add(line)
    line.dial(() => this.#find(new URL(url).hostname))
    return line.client
  }

  /** The process is gone: what it wrote still arrives, then its connections end. */
  killed(process: NodeProcess): void {
    for (const line of this.#lines) line.killed(process)
  }
}

interface LinePorts {
  /** Runs it after a latency. */
  later(run: () => void): void
  /** Runs it when a closing handshake has had its time. */
  closing(run: () => void): void
  over(): void
  readonly watch: Watch | undefined
}

class Line {
  readonly client: Wire
  readonly #events: SocketEvents
  readonly #ports: LinePorts
  #process: NodeProcess | null = null
  #far: ReturnType<Gateway['connect']> | null = null
  /** What is under way, oldest first: latencies differ, the order stays. */
  readonly #toClient: (() => void)[] = []
  readonly #toServer: (() => void)[] = []
  #paused = false
  /** Of what is under way, that has come as far as it can: the gateway does not read, or the way is held. */
  #unread = 0
  #untaken = 0
  #heldUp = false
  #heldDown = false
  #watch: WireWatch | null = null
  #closed = false
  #ending = false
  #lost = false
  /** The client has heard of the end. */
  #told = false
  #waitingBytes = 0
  #takenBytes = 0
  #readBytes = 0

  constructor(events: SocketEvents, ports: LinePorts) {
    this.#events = events
    this.#ports = ports
    this.client = {
      send: (data) => this.#say(data),
      close: (code, reason) => {
        if (this.#ending) return
        this.#ending = true
        this.#up(() => this.#gone())
        this.#end(code, reason)
      },
      hold: (way) => {
        if (way === 'down') this.#heldDown = true
        else this.#heldUp = true
      },
      sip: () => this.#take(this.#lost ? 0 : 1),
      release: () => {
        if (this.#lost) return
        this.#heldDown = false
        this.#heldUp = false
        this.#take(Infinity)
        this.#process?.deliver(() => this.#give())
      },
      reset: () => this.#reset(),
      lose: () => this.#lose(),
    }
  }

  dial(find: () => NodeProcess | null): void {
    this.#ports.later(() => {
      if (this.#ending) return
      const process = find()
      this.#process = process
      if (process === null) this.#end(ABNORMAL, 'nothing listens there')
      else process.deliver(() => this.#accept(process))
    })
  }

  #accept(process: NodeProcess): void {
    if (this.#ending || this.#closed) return
    const gateway = process.clients
    if (gateway === null) return this.#end(ABNORMAL, 'the node takes no clients')
    this.#watch = this.#ports.watch?.(process) ?? null
    this.#far = gateway.connect(this.#server(), { headers: {}, query: {}, address: '127.0.0.1' })
    this.#down(() => this.#events.opened())
  }

  killed(process: NodeProcess): void {
    if (this.#process !== process) return
    this.#far = null
    this.#unwatched()
    this.#end(ABNORMAL, 'the node is gone')
  }

  // ── The gateway's end ──────────────────────────────────────────────────────────────────────────────────────────────

  #server(): ServerSocket {
    // oxlint-disable-next-line typescript/no-this-alias -- the getters below are another object's
    const line = this
    return {
      address: '127.0.0.1',
      get waitingBytes() {
        return line.#waitingBytes
      },
      get takenBytes() {
        return line.#takenBytes
      },
      get readBytes() {
        return line.#readBytes
      },
      write: (bytes, taken) => this.#write(bytes, taken),
      pause: () => {
        this.#paused = true
      },
      resume: () => {
        this.#paused = false
        this.#give()
      },
      close: (code, reason) => {
        this.#leave(code, reason)
        this.#ports.closing(() => this.#process?.deliver(() => this.#gone()))
      },
      destroy: () => this.#leave(ABNORMAL, 'the node closed the connection'),
      cut: () => {
        this.#ports.later(() => this.#process?.deliver(() => this.#gone()))
        this.#end(ABNORMAL, 'the node cut the connection')
      },
    }
  }

  get #deaf(): boolean {
    return this.#paused || this.#heldUp
  }

  #write(bytes: Uint8Array, taken: (() => void) | undefined): void {
    if (this.#closed) return
    this.#waitingBytes += bytes.length
    const texts = textsOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    this.#watch?.wrote(texts, bytes.length, this.#waitingBytes - bytes.length)
    this.#down(() => {
      this.#waitingBytes -= bytes.length
      this.#takenBytes += bytes.length
      this.#watch?.took(bytes.length)
      if (taken !== undefined) this.#process?.deliver(taken)
      for (const text of texts) if (!this.#ending) this.#events.message(text)
    })
  }

  /** The gateway closes; it hears of the end once the client has. */
  #leave(code: number, reason: string): void {
    this.#down(() => this.#up(() => this.#gone()))
    this.#end(code, reason)
  }

  #gone(): void {
    const far = this.#far
    this.#far = null
    this.#unwatched()
    far?.gone()
  }

  #unwatched(): void {
    this.#watch?.ended()
    this.#watch = null
    this.#over()
  }

  #over(): void {
    if (this.#told && this.#far === null) this.#ports.over()
  }

  // ── The client's end ───────────────────────────────────────────────────────────────────────────────────────────────

  #say(data: string | Uint8Array): void {
    if (this.#closed || this.#ending) return
    const bytes = Buffer.from(data as string)
    this.#up(() => {
      this.#readBytes += bytes.length
      if (this.#far !== null) this.#watch?.read(bytes.toString())
      this.#far?.message(bytes, typeof data !== 'string')
    })
  }

  #end(code: number, reason: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#down(() => {
      this.#told = true
      this.#over()
      this.#events.closed(code, reason)
    })
  }

  // ── Under way ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #down(run: () => void): void {
    this.#toClient.push(run)
    this.#ports.later(() => {
      if (this.#heldDown) this.#untaken++
      else this.#toClient.shift()?.()
    })
  }

  #up(run: () => void): void {
    this.#toServer.push(run)
    this.#ports.later(() =>
      this.#process?.deliver(() => {
        if (this.#deaf) this.#unread++
        else this.#toServer.shift()?.()
      }),
    )
  }

  #take(most: number): void {
    for (let count = Math.min(most, this.#untaken); count > 0; count--) {
      this.#untaken--
      this.#toClient.shift()?.()
    }
  }

  /** To the gateway, what came while it did not read, or was held up. Reading may pause it again. */
  #give(): void {
    while (this.#unread > 0 && !this.#deaf) {
      this.#unread--
      this.#toServer.shift()?.()
    }
  }

  #lose(): void {
    if (this.#closed || this.#lost) return
    this.#lost = true
    this.#ending = true
    this.#heldDown = true
    this.#heldUp = true
    this.#ports.later(() => {
      this.#told = true
      this.#over()
      this.#events.closed(ABNORMAL, 'the connection was lost')
    })
  }

  #reset(): void {
    if (this.#closed || this.#lost) return
    this.#toClient.length = 0
    this.#toServer.length = 0
    this.#untaken = 0
    this.#unread = 0
    this.#heldDown = false
    this.#ending = true
    this.#ports.later(() => this.#process?.deliver(() => this.#gone()))
    this.#end(ABNORMAL, 'the connection was reset')
  }
}

/** The texts of frames as websocket-frame.ts makes them. */
function textsOf(bytes: Buffer): string[] {
  const texts: string[] = []
  for (let at = 0; at < bytes.length;) {
    const short = (bytes[at + 1] as number) & 127
    const head = short < 126 ? 2 : short === 126 ? 4 : 10
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
    texts.push(bytes.toString('utf8', at + head, at + head + length))
    at += head + length
  }
  return texts
}
