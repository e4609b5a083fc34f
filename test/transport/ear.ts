/** Hears one end of a wire, and holds T2 while it does: `opened` at most once, then messages, then `closed` once; never inside a call. */
import { expect } from 'vitest'
import type { Channel, Peer, Transport, Wire, WireEnd, WireEvents } from '../../src/cluster/transport.ts'

let inside = 0

/** Runs a call of the port; any event that comes before it returns fails the test. */
export function calling<T>(run: () => T): T {
  inside++
  try {
    return run()
  } finally {
    inside--
  }
}

export class Ear implements WireEvents {
  readonly messages: Uint8Array[] = []
  readonly faults: string[] = []
  peer: Peer | null = null
  end: WireEnd | null = null
  why = ''
  wire: Wire | null = null
  channel: Channel | null = null
  onMessage: (bytes: Uint8Array) => void = (bytes) => this.messages.push(bytes)
  onOpened: () => void = () => undefined

  opened(peer: Peer): void {
    this.#check(this.peer === null && this.end === null, 'opened twice or after closed')
    this.peer = peer
    this.onOpened()
  }

  message(bytes: Uint8Array): void {
    this.#check(this.peer !== null, 'a message before opened')
    this.#check(this.end === null, 'a message after closed')
    this.onMessage(bytes)
  }

  closed(end: WireEnd, why: string): void {
    this.#check(this.end === null, 'closed twice')
    this.#check(why.length > 0, 'closed without a reason')
    this.end = end
    this.why = why
  }

  send(...messages: readonly (Uint8Array | string)[]): void {
    for (const message of messages) calling(() => this.wire?.send(typeof message === 'string' ? Buffer.from(message) : message))
  }

  close(): void {
    calling(() => this.wire?.close())
  }

  get texts(): string[] {
    return this.messages.map((bytes) => Buffer.from(bytes).toString())
  }

  #check(holds: boolean, what: string): void {
    if (!holds) this.faults.push(what)
    if (inside > 0) this.faults.push('an event from inside a call')
  }
}

/** All ears of a test, so that all are checked at its end. */
export class Ears {
  readonly #all: Ear[] = []

  dial(transport: Transport, address: string, channel: Channel = 'data'): Ear {
    const ear = this.#new()
    ear.channel = channel
    ear.wire = calling(() => transport.dial(address, channel, ear))
    return ear
  }

  /** The wires that come to a node, in order. */
  listen(transport: Transport, prepare: (ear: Ear) => void = () => undefined): Ear[] {
    const accepted: Ear[] = []
    transport.listen((channel, wire) => {
      const ear = this.#new()
      ear.wire = wire
      ear.channel = channel
      prepare(ear)
      accepted.push(ear)
      return ear
    })
    return accepted
  }

  check(): void {
    expect(this.#all.flatMap((ear) => ear.faults)).toEqual([])
  }

  #new(): Ear {
    const ear = new Ear()
    this.#all.push(ear)
    return ear
  }
}
