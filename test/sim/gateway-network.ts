/** What the network of one device lets through: troubles begin and end, and a connection that is opened meanwhile has them, too. */
import type { Socket, SocketEvents } from '../../src/client/platform.ts'
import type { VirtualTime } from '../../src/testing/virtual-time.ts'
import type { Wire } from '../../src/testing/sockets.ts'
import type { Trouble } from './gateway-swarm.ts'

const SIP_MS = [50, 800] as const

export class DeviceNetwork {
  readonly #time: VirtualTime
  readonly #wires = new Set<Wire>()
  /** Troubles that go on, by their effect. */
  readonly #holds = { down: 0, up: 0 }
  readonly #ends = new Set<() => void>()

  constructor(time: VirtualTime) {
    this.#time = time
  }

  open(dial: (events: SocketEvents) => Wire, events: SocketEvents): Socket {
    const wire: Wire = dial({
      ...events,
      opened: () => events.opened(),
      message: (data) => events.message(data),
      closed: (code, reason) => {
        this.#wires.delete(wire)
        events.closed(code, reason)
      },
    })
    this.#wires.add(wire)
    this.#hold(wire)
    return wire
  }

  trouble(kind: Trouble, forMs: number, sipEvery: number): void {
    switch (kind) {
      case 'reset':
        for (const wire of this.#wires) wire.reset()
        return
      case 'lose':
        for (const wire of this.#wires) wire.lose()
        return
      case 'partition':
        return this.#during(forMs, ['down', 'up'])
      case 'deaf':
        return this.#during(forMs, ['up'])
      case 'stall':
        return this.#during(forMs, ['down'])
      case 'slow': {
        this.#during(forMs, ['down'])
        const endMs = this.#time.mono() + forMs
        const sipMs = SIP_MS[0] + (SIP_MS[1] - SIP_MS[0]) * sipEvery
        const sip = (): void => {
          if (this.#holds.down === 0 || this.#time.mono() >= endMs) return
          for (const wire of this.#wires) wire.sip()
          this.#time.after(sipMs, sip)
        }
        return sip()
      }
    }
  }

  heal(): void {
    for (const end of this.#ends) end()
  }

  #during(forMs: number, ways: readonly ('down' | 'up')[]): void {
    for (const way of ways) this.#holds[way]++
    for (const wire of this.#wires) this.#hold(wire)
    const end = (): void => {
      if (!this.#ends.delete(end)) return
      for (const way of ways) this.#holds[way]--
      for (const wire of this.#wires) {
        wire.release()
        this.#hold(wire)
      }
    }
    this.#ends.add(end)
    this.#time.after(forMs, end)
  }

  #hold(wire: Wire): void {
    if (this.#holds.down > 0) wire.hold('down')
    if (this.#holds.up > 0) wire.hold('up')
  }
}
