/**
 * One slow reader beside a fleet. Socket 0 of the fleet sends small events to `user/u0`, socket 1 large ones to `user/u1`; all others subscribe to the first. The slow reader is a
 * socket of its own that subscribes to both, and that is read by hand: everything, or 1 KB a second.
 */
import { connect, type Socket } from 'node:net'
import { countCpu, type CpuUse } from '../harness/proc-stat.ts'
import { Samples, type Percentiles } from '../harness/statistics.ts'
import { eventData, markOf } from './dialects.ts'
import { pause } from './events.ts'
import type { Fleet } from './fleet.ts'
import { maskedFrame, OPCODE, readFrames } from './frames.ts'

export interface SlowPlan {
  readonly port: number
  /** Of the large events, and how often they come. */
  readonly bytes: number
  readonly bytesEveryMs: number
}
export interface SlowPhasePlan {
  readonly slow: boolean
  readonly events: number
  readonly everyMs: number
  readonly pids: Readonly<Record<string, number>>
}
export interface SlowPhase {
  readonly latency: Percentiles
  readonly cpu: CpuUse
}
export interface SlowResult {
  /** Events of both actors that it had not got when it read on, and after all. */
  readonly behindBefore: number
  readonly behind: number
  /** Offsets that were passed over, or came twice. */
  readonly disorder: number
  readonly ms: number
}

const SMALL = 'user/u0'
const LARGE = 'user/u1'
const SLOW_BYTES = 1024
const SLOW_EVERY_MS = 1000
const PATIENCE_MS = 60_000
const SUB = /"sub":(\d+)/
const OFFSET = /"offset":(\d+)/

export class SlowReader {
  readonly #fleet: Fleet
  readonly #plan: SlowPlan
  readonly #socket: Socket
  #rest: Buffer = Buffer.alloc(0)
  #upgraded = false
  #fast = true
  #slowly: NodeJS.Timeout | undefined
  /** Newest offset by subscription, in the order of subscribing. */
  readonly #last = new Map<string, number>()
  #disorder = 0
  #ended = ''
  readonly #sent = [0, 0]
  readonly #acknowledged = [0, 0]
  #marks = 0
  readonly #intended: number[] = []
  #samples: Samples | null = null
  #notes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(fleet: Fleet, plan: SlowPlan) {
    this.#fleet = fleet
    this.#plan = plan
    fleet.onMessage = (socket, message) => this.#heard(socket, message)
    this.#socket = connect({ host: '127.0.0.1', port: plan.port, noDelay: true })
    this.#socket.on('readable', () => {
      if (this.#fast) this.#read()
    })
    this.#socket.on('error', (error) => (this.#ended ||= error.message))
    this.#socket.on('close', () => (this.#ended ||= 'closed by the server'))
  }

  /** All have subscribed, and the large events flow. */
  async open(): Promise<void> {
    const { dialect } = this.#fleet
    this.#socket.write(
      `GET ${dialect.path('slow')} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ${String(dialect.subprotocol)}\r\n\r\n`,
    )
    for (let socket = 2; socket < this.#fleet.size; socket++) this.#fleet.send(socket, dialect.subscribe(1, SMALL))
    await this.#until(
      () => this.#last.size === 2 && this.#notes === this.#fleet.size - 2,
      () => 'not all could subscribe',
    )
    const data = `{"kind":"large","mark":1,"page":"${'x'.repeat(this.#plan.bytes)}"}`
    this.#timer = setInterval(() => this.#send(1, LARGE, data), this.#plan.bytesEveryMs)
  }

  async phase({ slow, events, everyMs, pids }: SlowPhasePlan): Promise<SlowPhase> {
    this.#pace(slow)
    const samples = new Samples()
    this.#samples = samples
    this.#notes = 0
    const cpu = countCpu({ ...pids, load: process.pid })
    const start = performance.now()
    for (let event = 1; event <= events; event++) {
      const due = start + event * everyMs
      await pause(Math.max(0, due - performance.now()))
      this.#intended[this.#marks] = Math.min(due, performance.now())
      this.#send(0, SMALL, eventData(this.#marks++))
    }
    const want = events * (this.#fleet.size - 2)
    await this.#until(
      () => this.#notes >= want,
      () => `${want - this.#notes} of ${want} notes never came to the others`,
    )
    this.#samples = null
    return { latency: samples.percentiles(), cpu: cpu() }
  }

  /** Reads on, until it has everything. */
  async end(): Promise<SlowResult> {
    clearInterval(this.#timer)
    await this.#until(
      () => this.#acknowledged[0] === this.#sent[0] && this.#acknowledged[1] === this.#sent[1],
      () => 'some events were never answered',
    )
    const behindBefore = this.#behind
    const start = performance.now()
    this.#pace(false)
    while (this.#behind > 0 && this.#ended === '' && performance.now() - start < PATIENCE_MS) await pause(5)
    const ms = performance.now() - start
    if (this.#ended !== '') throw new Error(`the slow reader was ended: ${this.#ended}`)
    this.#socket.destroy()
    return { behindBefore, behind: this.#behind, disorder: this.#disorder, ms }
  }

  get #behind(): number {
    const [small = 0, large = 0] = this.#last.values()
    return (this.#sent[0] as number) - small + (this.#sent[1] as number) - large
  }

  #pace(slow: boolean): void {
    clearInterval(this.#slowly)
    this.#fast = !slow
    if (slow) this.#slowly = setInterval(() => this.#take(this.#socket.read(SLOW_BYTES) as Buffer | null), SLOW_EVERY_MS)
    else this.#read()
  }

  #read(): void {
    for (let chunk: Buffer | null; (chunk = this.#socket.read() as Buffer | null) !== null;) this.#take(chunk)
  }

  #take(chunk: Buffer | null): void {
    if (chunk === null) return
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    if (!this.#upgraded) {
      const end = this.#rest.indexOf('\r\n\r\n')
      if (end < 0) return
      this.#rest = this.#rest.subarray(end + 4)
      this.#upgraded = true
      this.#write(this.#fleet.dialect.greet('slow') as string)
    }
    const bytes = this.#rest
    const used = readFrames(bytes, bytes.length, (opcode, start, end) => {
      if (opcode === OPCODE.close) this.#ended ||= bytes.toString('utf8', start + 2, end)
      for (const line of bytes.toString('latin1', start, end).split('\n')) this.#message(line)
    })
    this.#rest = bytes.subarray(used)
  }

  #message(message: string): void {
    const { dialect } = this.#fleet
    const pong = dialect.pong(message)
    if (pong !== null) return this.#write(pong)
    if (message.startsWith('{"t":"welcome"')) {
      this.#write(dialect.subscribe(1, SMALL))
      this.#write(dialect.subscribe(2, LARGE))
      return
    }
    const sub = SUB.exec(message.slice(0, 200))?.[1]
    const offset = Number(OFFSET.exec(message.slice(0, 200))?.[1])
    if (sub === undefined) return
    const last = this.#last.get(sub)
    if (last !== undefined && offset !== last + 1) this.#disorder++
    this.#last.set(sub, offset)
  }

  #write(message: string): void {
    this.#socket.write(maskedFrame(OPCODE.text, message))
  }

  #send(socket: 0 | 1, to: string, data: string): void {
    const seq = ++(this.#sent as [number, number])[socket]
    this.#fleet.send(socket, this.#fleet.dialect.event(seq, data, seq, (this.#acknowledged[socket] as number) + 1, to))
  }

  #heard(socket: number, message: string): void {
    const answered = this.#fleet.dialect.answered(message)
    if (answered < -1) throw new Error(`socket ${socket} was answered ${message.slice(0, 300)}`)
    if (socket < 2) {
      if (answered > 0) (this.#acknowledged as [number, number])[socket as 0 | 1]++
      return
    }
    // Until the first phase: answers to `subscribe`.
    if (this.#samples === null) {
      if (answered > 0) this.#notes++
      return
    }
    const mark = markOf(message)
    if (mark < 0) return
    this.#notes++
    this.#samples.add(performance.now() - (this.#intended[mark] as number))
  }

  async #until(holds: () => boolean, complaint: () => string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS
    while (!holds()) {
      if (this.#ended !== '') throw new Error(`the slow reader was ended: ${this.#ended}`)
      if (performance.now() > deadline) throw new Error(complaint())
      await pause(2)
    }
  }
}
