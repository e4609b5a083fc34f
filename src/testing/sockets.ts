/**
 * The sockets of a world's clients: whole messages, in order, each way after a latency, between the SDK and a node's gateway. A gateway that crashed ends
 * them, one that is frozen takes and says nothing.
 */
import type { Random } from '../base/random.ts'
import type { Socket as ClientSocket, SocketEvents } from '../client/platform.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { Socket as ServerSocket } from '../gateway/socket.ts'
import type { NodeProcess } from './process.ts'
import type { VirtualTime } from './virtual-time.ts'

const ABNORMAL = 1006
const LATENCY_MS = [0.2, 2] as const

export class Sockets {
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #find: (host: string) => NodeProcess | null
  readonly #lines = new Set<Line>()

  /** `find`: who takes a connection to this host now. */
  constructor(time: VirtualTime, find: (host: string) => NodeProcess | null) {
    this.#time = time
    this.#random = time.random('sockets')
    this.#find = find
  }

  open(url: string, events: SocketEvents): ClientSocket {
    const line: Line = new Line(events, {
      later: (run) => void this.#time.after(LATENCY_MS[0] + (LATENCY_MS[1] - LATENCY_MS[0]) * this.#random.float(), run),
      over: () => this.#lines.delete(line),
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
  over(): void
}

class Line {
  readonly client: ClientSocket
  readonly #events: SocketEvents
  readonly #ports: LinePorts
  #process: NodeProcess | null = null
  #far: ReturnType<Gateway['connect']> | null = null
  /** What is under way, oldest first: latencies differ, the order stays. */
  readonly #toClient: (() => void)[] = []
  readonly #toServer: (() => void)[] = []
  #paused = false
  #held = 0
  #closed = false
  #ending = false
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
    this.#far = gateway.connect(this.#server(), { headers: {}, query: {}, address: '127.0.0.1' })
    this.#down(() => this.#events.opened())
  }

  killed(process: NodeProcess): void {
    if (this.#process !== process) return
    this.#far = null
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
        while (this.#held > 0 && !this.#isPaused()) {
          this.#held--
          this.#toServer.shift()?.()
        }
      },
      close: (code, reason) => this.#leave(code, reason),
      destroy: () => this.#leave(ABNORMAL, 'the node closed the connection'),
      cut: () => this.#leave(ABNORMAL, 'the node cut the connection'),
    }
  }

  #isPaused(): boolean {
    return this.#paused
  }

  #write(bytes: Uint8Array, taken: (() => void) | undefined): void {
    if (this.#closed) return
    this.#waitingBytes += bytes.length
    const texts = textsOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    this.#down(() => {
      this.#waitingBytes -= bytes.length
      this.#takenBytes += bytes.length
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
    far?.gone()
  }

  // ── The client's end ───────────────────────────────────────────────────────────────────────────────────────────────

  #say(data: string | Uint8Array): void {
    if (this.#closed || this.#ending) return
    const bytes = Buffer.from(data as string)
    this.#up(() => {
      this.#readBytes += bytes.length
      this.#far?.message(bytes, typeof data !== 'string')
    })
  }

  #end(code: number, reason: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#down(() => {
      this.#ports.over()
      this.#events.closed(code, reason)
    })
  }

  // ── Under way ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #down(run: () => void): void {
    this.#toClient.push(run)
    this.#ports.later(() => this.#toClient.shift()?.())
  }

  #up(run: () => void): void {
    this.#toServer.push(run)
    this.#ports.later(() =>
      this.#process?.deliver(() => {
        if (this.#paused) this.#held++
        else this.#toServer.shift()?.()
      }),
    )
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
