/**
 * Delivery of effects (D4): what an actor sent is repeated until the target finally answers, in order for each target, and a
 * failing target holds back only its own channel. Runs for activations in memory; waker.ts brings back those that died owing.
 *
 *  - Up to WINDOW effects of a channel are under way at once; the target takes them only in order (D1).
 *  - Effects are done in order, each by its own answer.
 *  - An answer is final when it is good and durable, or says that its number is used up (`next` above it, D2).
 */
import { backoffMs } from '../base/backoff.ts'
import type { ActorCalls, SendOutcome } from './calls.ts'
import type { Effect, Effects } from './effects.ts'
import type { Host } from './host.ts'
import { dataOf } from './recorded.ts'

const WINDOW = 32
const RETRY_MAX_MS = 10_000

/** An activation with effects, as delivery sees it. */
export interface EffectOwner {
  readonly id: string
  readonly live: boolean
  readonly memory: { readonly effects: Effects | null }
  readonly writer: {
    /** Whether the batch that began this effect is durable: nothing leaves before (J7). */
    effectIsDurable(effect: Effect): boolean
    effectDone(to: string, seq: number, refused: boolean): void
  }
}

interface Channel {
  /** Highest number under way or answered in this try. */
  sent: number
  underWay: number
  /** Final answers that came before an older one's: whether they were refusals. Counted when their turn comes. */
  readonly early: Map<number, boolean>
  attempt: number
  resting: boolean
}

export class Delivery {
  readonly #host: Host
  readonly #calls: ActorCalls
  /** Channels with something under way, by sender and target. */
  readonly #channels = new Map<EffectOwner, Map<string, Channel>>()

  constructor(host: Host, calls: ActorCalls) {
    this.#host = host
    this.#calls = calls
  }

  /** There may be something to deliver from `owner` to `target`. */
  kick(owner: EffectOwner, target: string): void {
    let channels = this.#channels.get(owner)
    if (channels === undefined) this.#channels.set(owner, (channels = new Map()))
    let channel = channels.get(target)
    if (channel === undefined) channels.set(target, (channel = { sent: 0, underWay: 0, early: new Map(), attempt: 0, resting: false }))
    this.#pump(owner, target, channel)
  }

  /** The activation is over. */
  forget(owner: EffectOwner): void {
    this.#channels.delete(owner)
  }

  #pump(owner: EffectOwner, target: string, channel: Channel): void {
    if (channel.resting || !owner.live) return
    const oldest = owner.memory.effects?.oldest(target)
    if (oldest === undefined) {
      if (channel.underWay === 0) this.#close(owner, target)
      return
    }
    channel.sent = Math.max(channel.sent, oldest.seq - 1)
    while (channel.underWay < WINDOW && !channel.resting) {
      const effect = owner.memory.effects?.at(target, channel.sent + 1)
      if (effect === undefined || !owner.writer.effectIsDurable(effect)) return
      if (channel.early.has(effect.seq)) {
        channel.sent = effect.seq
        continue
      }
      channel.sent = effect.seq
      channel.underWay++
      const source = `actor:${owner.id}`
      this.#calls.send(
        {
          actor: target,
          type: effect.type,
          data: dataOf(JSON.parse(effect.json)),
          sender: source,
          source,
          seq: effect.seq,
          base: oldest.seq,
        },
        (outcome) => this.#answered(owner, target, channel, effect, outcome),
      )
    }
  }

  #answered(owner: EffectOwner, target: string, channel: Channel, effect: Effect, outcome: SendOutcome): void {
    channel.underWay--
    if (this.#host.dead || !owner.live) return
    // An answer that a crash of the target could take back ends nothing (J9).
    if (outcome.ok ? outcome.durable : outcome.next !== undefined && outcome.next > effect.seq) {
      channel.attempt = 0
      this.#host.counters[outcome.ok ? 'effectsDelivered' : 'effectsRefused']++
      if (!outcome.ok)
        this.#host.log.warn(
          { actor: owner.id, to: target, event: effect.type, code: outcome.code, reason: outcome.message },
          'an actor refused what another sent it; the send is done',
        )
      channel.early.set(effect.seq, !outcome.ok)
      for (let oldest = owner.memory.effects?.oldest(target); oldest !== undefined; oldest = owner.memory.effects?.oldest(target)) {
        const refused = channel.early.get(oldest.seq)
        if (refused === undefined) break
        channel.early.delete(oldest.seq)
        owner.memory.effects?.done(target, oldest.seq, refused ? 1 : 0)
        owner.writer.effectDone(target, oldest.seq, refused)
      }
      this.#pump(owner, target, channel)
      return
    }
    channel.sent = Math.min(channel.sent, effect.seq - 1)
    if (channel.resting) return
    channel.resting = true
    const wait = backoffMs(channel.attempt++, this.#host.options.effectRetryMs, RETRY_MAX_MS, this.#host.random)
    this.#host.clock.after(Math.max(1, wait), () => {
      channel.resting = false
      if (!this.#host.dead && owner.live) this.#pump(owner, target, channel)
    })
  }

  #close(owner: EffectOwner, target: string): void {
    const channels = this.#channels.get(owner)
    channels?.delete(target)
    if (channels?.size === 0) this.#channels.delete(owner)
  }
}
