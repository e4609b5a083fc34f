/** One device of a user: an SDK client with the addresses of all gateways, several sends on their way at once, and subscriptions that never end. */
import { connect, type Client, type TroupeError } from '../../src/client/index.ts'
import type { Sum } from './app.ts'
import type { Dice } from './dice.ts'
import { Follower, type FollowedTopic } from './followers.ts'
import { draw, type Talk } from './load.ts'

const AT_ONCE = 4
const TOPICS: readonly FollowedTopic[] = ['feed', 'summary', 'changed']

interface Handle {
  send(type: string, data: unknown): Promise<{ readonly offset: number; readonly duplicate: boolean }>
  query(name: string, args: undefined, options: { readonly strict: boolean }): Promise<Sum>
  subscribe(topic: string, note: (note: { readonly offset: number; readonly data?: unknown }) => void, options: object): () => void
}

export class SdkDevice {
  readonly #talk: Talk
  readonly #name: string
  readonly #dice: Dice
  readonly #client: Client
  readonly #orders = new Map<string, number>()
  /** Newest offsets acknowledged to this client: its library promises that reads show at least these. */
  readonly #seen = new Map<string, number>()
  #sent = 0

  constructor(talk: Talk, user: number, device: string, dice: Dice) {
    this.#talk = talk
    this.#name = `user${user}-${device}`
    this.#dice = dice
    this.#client = connect(
      talk.nodes.map(({ client }) => client),
      { token: `dev:user${user}`, device },
    )
    // Both devices of a user follow the same: each gets everything.
    for (const [i, topic] of TOPICS.entries()) this.#follow(`list/hot${(user * TOPICS.length + i) % talk.shape.hotActors}`, topic)
    this.#follow(`list/hot${user % talk.shape.hotActors}`, 'feed')
  }

  /** Null: it has a connection. */
  get trouble(): string | null {
    return this.#client.state === 'open' ? null : `${this.#name} is ${this.#client.state}`
  }

  #follow(actor: string, topic: FollowedTopic): void {
    const follower = new Follower(this.#name, actor, topic)
    const { ledger } = this.#talk
    ledger.followers.push(follower)
    this.#actor(actor).subscribe(topic, ({ offset, data }) => ledger.judge(follower.note(offset, data)), {
      // A view is told as it is; of the others, what came before the subscription would be somebody else's news.
      ...(topic !== 'summary' && { from: 'start' }),
      onGap: (gap: { readonly to: number }) => follower.gap(gap.to),
      onError: (error: TroupeError) => ledger.readFailed(`${this.#name}, which follows ${actor}`, error.code, error.message),
    })
  }

  #actor(name: string): Handle {
    return this.#client.actor(name) as unknown as Handle
  }

  async run(): Promise<void> {
    const { shape, stopped } = this.#talk
    while (!stopped()) {
      const first = draw(this.#dice, this.#talk)
      const many = 1 + this.#dice.below(AT_ONCE)
      const all = [this.#send(first.actor, first.tell, first.inMs)]
      for (let i = 1; i < many; i++) {
        const { tell, inMs } = draw(this.#dice, this.#talk)
        all.push(this.#send(first.actor, tell, inMs))
      }
      all.push(this.#read(this.#dice.chance(0.5) ? first.actor : draw(this.#dice, this.#talk).actor, this.#dice.chance(0.5)))
      await Promise.all(all)
      await new Promise((resolve) => setTimeout(resolve, this.#dice.between(0, 2 * shape.thinkMs)))
    }
  }

  async #send(actor: string, tell: string | undefined, inMs: number | undefined): Promise<void> {
    const { ledger } = this.#talk
    const order = (this.#orders.get(actor) ?? 0) + 1
    this.#orders.set(actor, order)
    const id = `${this.#name}-${++this.#sent}`
    const op = ledger.begin({ id, actor, client: this.#name, order, tell, inMs })
    try {
      const { offset, duplicate } = await this.#actor(actor).send('add', { id, ...(tell && { tell }), ...(inMs && { inMs }) })
      ledger.acknowledged(op, offset, duplicate)
      this.#seen.set(actor, Math.max(this.#seen.get(actor) ?? 0, offset))
    } catch (error) {
      const { code, message } = error as TroupeError
      ledger.failed(op, code, message)
    }
  }

  async #read(actor: string, strict: boolean): Promise<void> {
    const { ledger } = this.#talk
    const seen = this.#seen.get(actor) ?? 0
    const beganMs = performance.now()
    try {
      const sum = await this.#actor(actor).query('sum', undefined, { strict })
      // The state tells its own offset: every entry counts one.
      ledger.read({
        kind: 'read',
        actor,
        client: this.#name,
        strict,
        seen,
        beganMs,
        endedMs: performance.now(),
        offset: sum.count,
        sum,
      })
    } catch (error) {
      const { code, message } = error as TroupeError
      ledger.readFailed(this.#name, code, message)
    }
  }

  close(): void {
    this.#client.close()
  }
}
