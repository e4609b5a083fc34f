/** Events to many users' actors from a few sockets of services, open loop: what the users are notified of while things happen to their own connections. */
import { seeded } from '../../src/base/random.ts'
import { DIALECTS, eventData } from './dialects.ts'
import { pause } from './events.ts'
import { Fleet } from './fleet.ts'

const SOCKETS = 32
const SETTLE_TIMEOUT_MS = 30_000

export class Producer {
  acknowledged = 0
  readonly #fleet = new Fleet(DIALECTS.troupe)
  readonly #sent: Uint32Array
  /** Answers of one actor come in the order of its events: it is always the same socket's, and nobody else writes to it. */
  readonly #newest: Uint32Array
  readonly #asked = new Map<number, number>()
  #requests = 0
  #timer: NodeJS.Timeout | undefined
  #refused = ''

  constructor(users: number) {
    this.#sent = new Uint32Array(users)
    this.#newest = new Uint32Array(users)
  }

  async open(ports: readonly number[]): Promise<void> {
    const { dialect } = this.#fleet
    await this.#fleet.open({ dialect, ports, sockets: SOCKETS, name: (socket) => `service-${socket}`, concurrency: SOCKETS })
    this.#fleet.onMessage = (_, message) => {
      const answered = dialect.answered(message)
      if (answered === -1) return
      if (answered < -1) this.#refused ||= message.slice(0, 300)
      const user = this.#asked.get(answered)
      if (user === undefined) return
      this.#asked.delete(answered)
      this.#newest[user] = (this.#newest[user] as number) + 1
      this.acknowledged++
    }
  }

  /** Acknowledged events of that user: the newest offset there is. */
  newest(user: number): number {
    return this.#newest[user] as number
  }

  start(rate: number): void {
    const random = seeded('producer')
    const gap = (): number => (-Math.log(1 - random.float()) * 1000) / rate
    let due = performance.now() + gap()
    this.#timer = setInterval(() => {
      for (const now = performance.now(); due <= now; due += gap()) this.#send(Math.floor(random.float() * this.#sent.length))
    }, 1)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    const deadline = performance.now() + SETTLE_TIMEOUT_MS
    while (this.#asked.size > 0) {
      if (this.#refused !== '' || this.#fleet.lost > 0)
        throw new Error(`the producer was refused: ${this.#refused} ${this.#fleet.firstLoss}`)
      if (performance.now() > deadline) throw new Error(`${this.#asked.size} events were never answered`)
      await pause(5)
    }
    await this.#fleet.close()
  }

  #send(user: number): void {
    const request = ++this.#requests
    const seq = (this.#sent[user] = (this.#sent[user] as number) + 1)
    this.#asked.set(request, user)
    const base = (this.#newest[user] as number) + 1
    this.#fleet.send(user % SOCKETS, this.#fleet.dialect.event(request, eventData(request), seq, base, `user/u${user}`))
  }
}
