/** The subscriptions of one connection, by the number it knows them by. Made with the first. */
import { PullTurn } from './pull-turn.ts'
import type { ClientSubscriptions } from './requests.ts'
import type { Subscription } from './subscription.ts'

export class SubscriptionTable implements ClientSubscriptions {
  readonly #all: { subscriptions: number }
  readonly #open = new Map<number, Subscription>()
  readonly pullTurn: PullTurn = new PullTurn()
  #joining = 0
  #last = 0

  /** `all`: the gateway's own count. */
  constructor(all: { subscriptions: number }) {
    this.#all = all
  }

  get count(): number {
    return this.#open.size + this.#joining
  }

  reserve(): number {
    this.#joining++
    return ++this.#last
  }

  cancel(): void {
    this.#joining--
  }

  keep(subscription: Subscription): void {
    this.#joining--
    this.#all.subscriptions++
    this.#open.set(subscription.sub, subscription)
  }

  end(sub: number): boolean {
    const subscription = this.#open.get(sub)
    if (subscription === undefined) return false
    this.#open.delete(sub)
    this.#all.subscriptions--
    subscription.close()
    return true
  }

  endAll(): void {
    for (const sub of this.#open.keys()) this.end(sub)
  }

  roomAgain(): void {
    for (const subscription of this.#open.values()) subscription.roomAgain()
  }
}
