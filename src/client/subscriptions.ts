/** All subscriptions of a client, and which of them a server's number means on the live link. */
import type { ServerFrame } from '../protocol/frames.ts'
import { Subscription, type SubscriptionParts, type SubscriptionPorts } from './subscription.ts'

export class Subscriptions {
  readonly #all = new Set<Subscription>()
  readonly #bySub = new Map<number, Subscription>()
  readonly #ports: SubscriptionPorts

  constructor(ports: Omit<SubscriptionPorts, 'live' | 'notLive' | 'over'>) {
    this.#ports = {
      ...ports,
      live: (sub, subscription) => void this.#bySub.set(sub, subscription),
      notLive: (sub) => void this.#bySub.delete(sub),
      over: (subscription) => void this.#all.delete(subscription),
    }
  }

  add(parts: SubscriptionParts): () => void {
    const subscription = new Subscription(parts, this.#ports)
    this.#all.add(subscription)
    subscription.up()
    return () => subscription.unsubscribe()
  }

  frame(frame: ServerFrame): void {
    if (frame.t === 'note') this.#bySub.get(frame.sub)?.note(frame)
    if (frame.t === 'gap') this.#bySub.get(frame.sub)?.gap(frame)
  }

  up(): void {
    for (const subscription of this.#all) subscription.up()
  }

  /** Call it when the wire has let go of the link. */
  down(): void {
    for (const subscription of this.#all) subscription.down()
    this.#bySub.clear()
  }

  close(): void {
    for (const subscription of [...this.#all]) subscription.unsubscribe()
  }
}
