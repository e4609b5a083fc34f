/**
 * What an actor has promised to send to other actors (D4), as data: numbered from 1 for each target, first in first out.
 * Pure: the same calls give the same table, live and on folding. Delivery is in delivery.ts.
 */
export interface Effect {
  readonly to: string
  readonly seq: number
  readonly type: string
  /** Data as JSON text. */
  readonly json: string
}

interface Channel {
  /** Highest number given out. Never falls, or the target would take a new effect for a repeat. */
  last: number
  /** Contiguous by number, from `head` on. */
  pending: Effect[]
  head: number
}

/** [target, last, [seq, type, data][]][] */
export type EffectsSnapshot = readonly (readonly [string, number, readonly (readonly [number, string, unknown])[]])[]

export class Effects {
  readonly #channels = new Map<string, Channel>()
  pending = 0
  bytes = 0
  refused = 0

  begin(to: string, type: string, json: string): Effect {
    const channel = this.#channel(to)
    const effect = { to, seq: ++channel.last, type, json }
    channel.pending.push(effect)
    this.pending++
    this.bytes += json.length
    return effect
  }

  /** All up to `seq` are finally answered; `refused` of them with a final refusal. */
  done(to: string, seq: number, refused: number): void {
    const channel = this.#channels.get(to)
    this.refused += refused
    if (channel === undefined) return
    for (let first = channel.pending[channel.head]; first !== undefined && first.seq <= seq; first = channel.pending[channel.head]) {
      this.bytes -= first.json.length
      this.pending--
      channel.head++
    }
    if (channel.head * 2 < channel.pending.length) return
    channel.pending = channel.pending.slice(channel.head)
    channel.head = 0
  }

  targets(): string[] {
    const targets: string[] = []
    for (const [to, { pending, head }] of this.#channels) if (pending.length > head) targets.push(to)
    return targets
  }

  /** The oldest undelivered effect to a target. */
  oldest(to: string): Effect | undefined {
    const channel = this.#channels.get(to)
    return channel?.pending[channel.head]
  }

  /** An undelivered effect by its number. */
  at(to: string, seq: number): Effect | undefined {
    const channel = this.#channels.get(to)
    const first = channel?.pending[channel.head]
    return first === undefined || seq < first.seq ? undefined : channel?.pending[channel.head + seq - first.seq]
  }

  all(): Effect[] {
    return Array.from(this.#channels.values(), ({ pending, head }) => pending.slice(head)).flat()
  }

  snapshot(): EffectsSnapshot {
    return Array.from(
      this.#channels,
      ([to, { last, pending, head }]) =>
        [to, last, pending.slice(head).map(({ seq, type, json }) => [seq, type, JSON.parse(json) as unknown] as const)] as const,
    )
  }

  static restore(stored: EffectsSnapshot, refused: number): Effects {
    const effects = new Effects()
    effects.refused = refused
    for (const [to, last, pending] of stored) {
      const channel = effects.#channel(to)
      channel.last = last
      for (const [seq, type, data] of pending) {
        const json = JSON.stringify(data)
        channel.pending.push({ to, seq, type, json })
        effects.pending++
        effects.bytes += json.length
      }
    }
    return effects
  }

  /** On folding: an effect as the batch has it. */
  restoreOne(to: string, seq: number, type: string, data: unknown): void {
    const channel = this.#channel(to)
    const json = JSON.stringify(data)
    channel.last = Math.max(channel.last, seq)
    channel.pending.push({ to, seq, type, json })
    this.pending++
    this.bytes += json.length
  }

  #channel(to: string): Channel {
    let channel = this.#channels.get(to)
    if (channel === undefined) {
      channel = { last: 0, pending: [], head: 0 }
      this.#channels.set(to, channel)
    }
    return channel
  }
}
