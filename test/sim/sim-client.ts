/**
 * A client: a session that sends, asks, repeats and never gives up on what it began. It numbers its sends for each actor, says its
 * base, and repeats under the same identity whatever did not get a final answer, here or on another node, across crashes.
 */
import type { SendCall, SendOutcome } from '../../src/actors/calls.ts'
import { ERRORS } from '../../src/errors.ts'
import type { Random } from '../../src/base/random.ts'
import { typeOf } from './sim-app.ts'
import type { Identity, Op } from './check.ts'
import type { Sim } from './sim.ts'
import type { Entry } from './sim-cluster.ts'
import { SimReader } from './sim-reader.ts'
import type { ActionName } from './swarm.ts'

interface Channel {
  next: number
  /** Numbers without a final answer. */
  readonly open: Set<number>
}

const EXPECT: Readonly<Partial<Record<ActionName, string>>> = {
  refuse: 'refused',
  boom: 'internal',
  spoil: 'internal',
  promise: 'internal',
  invalid: 'invalid',
  unknown: 'unknown_event',
}
const TIMER_NAMES = ['a', 'b', '__proto__', 'constructor']

export class SimClient {
  readonly name: string
  /** Several clients may be devices of one user. */
  readonly #user: string
  readonly #sim: Sim
  readonly #random: Random
  readonly #reader: SimReader
  readonly #at: Entry = { node: null }
  readonly #weights: readonly [ActionName, number][]
  readonly #weight: number
  #session = 1
  #channels = new Map<string, Channel>()
  #mine: Op[] = []
  #asked = 0
  openOps = 0
  #stopped = false

  constructor(sim: Sim, name: string, user: string) {
    this.#sim = sim
    this.name = name
    this.#user = user
    this.#random = sim.world.random(`client/${name}`)
    this.#reader = new SimReader(sim, name, this.#at)
    this.#weights = Object.entries(sim.swarm.weights) as [ActionName, number][]
    this.#weight = this.#weights.reduce((sum, [, weight]) => sum + weight, 0)
  }

  start(): void {
    this.#next()
  }

  /** Begins nothing new. */
  stop(): void {
    this.#stopped = true
  }

  /** In the end: a few more for each actor, soon after each other, and a timer. */
  coda(): void {
    for (const actor of this.#sim.swarm.actors) {
      for (let i = 0; i < 4; i++) this.#sim.world.after(600 * this.#random.float(), () => this.#begin('add', actor, this.#freshKey()))
      this.#sim.world.after(600 * this.#random.float(), () => this.#begin('later', actor, this.#freshKey()))
    }
  }

  /** The last that anybody wants while there are faults: a timer for each actor. Nobody asks for them any more: who has them must wake. */
  farewell(): void {
    for (const actor of this.#sim.swarm.actors)
      this.#sim.world.after(600 * this.#random.float(), () => this.#begin('later', actor, this.#freshKey()))
  }

  /** Many events for one actor, close to each other. */
  rush(count: number): void {
    const actor = this.#pick(this.#sim.swarm.actors)
    const spanMs = 200 + 2500 * this.#random.float()
    for (let i = 0; i < count; i++)
      this.#sim.world.after(spanMs * this.#random.float(), () => this.#stopped || this.#begin('add', actor, this.#freshKey()))
  }

  #freshKey(): Identity {
    return { kind: 'key', key: `${this.name}:k${this.#asked++}` }
  }

  #next(): void {
    const { world, swarm } = this.#sim
    world.after(-Math.log(1 - this.#random.float()) * swarm.paceMs, () => {
      if (this.#stopped) return
      if (this.#sim.acts.pass()) this.#act()
      this.#next()
    })
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.float() * list.length)] as T
  }

  #act(): void {
    const { swarm } = this.#sim
    let draw = this.#random.float() * this.#weight
    const action = this.#weights.find(([, weight]) => (draw -= weight) < 0)?.[0] ?? 'add'
    const hot = swarm.hot > 0 && this.#random.float() < swarm.hot
    const actor = hot ? (swarm.actors[0] as string) : this.#pick(swarm.actors)
    switch (action) {
      case 'query':
        return this.#reader.query(actor, this.#mine.findLast((op) => op.actor === actor && op.answer?.ok === true)?.answer ?? null)
      case 'ghost':
        return this.#reader.ghost()
      case 'history':
        return this.#reader.history(actor)
      case 'repeat':
        return this.#repeat()
      case 'conflict':
        return this.#conflict()
      case 'renew':
        this.#session++
        this.#channels = new Map()
        return
      case 'burst':
        for (let i = 0; i < 20; i++) this.#burst(actor)
        return
      default:
        if (this.openOps < swarm.pipeline) this.#begin(action, actor, this.#identity(actor))
    }
  }

  /** In a cluster it takes a while, in which the actor may get another owner. */
  #burst(actor: string): void {
    const { cluster, world } = this.#sim
    if (cluster === null) this.#begin('add', actor, this.#freshKey())
    else world.after(300 * this.#random.float(), () => this.#stopped || this.#begin('add', actor, this.#freshKey()))
  }

  #channel(actor: string): Channel {
    let channel = this.#channels.get(actor)
    if (channel === undefined) {
      channel = { next: 1, open: new Set() }
      this.#channels.set(actor, channel)
    }
    return channel
  }

  #identity(actor: string): Identity {
    const draw = this.#random.float()
    if (draw < (this.#sim.cluster === null ? 0.04 : 0.12)) return { kind: 'none' }
    if (draw < 0.3) {
      return this.name === 'c1' && this.#asked++ === 0 ? { kind: 'key', key: '__proto__' } : this.#freshKey()
    }
    const channel = this.#channel(actor)
    // As many unanswered numbers as an actor keeps answers for (D3).
    if (channel.next - Math.min(...channel.open, channel.next) >= this.#sim.swarm.options.answersKept) return this.#freshKey()
    const seq = channel.next++
    channel.open.add(seq)
    return { kind: 'seq', source: `session:${this.name}.${this.#session}`, seq }
  }

  #begin(action: ActionName, actor: string, identity: Identity): void {
    const { sim, id } = { sim: this.#sim, id: this.#sim.nextOpId() }
    const type = action === 'invalid' ? 'later' : action === 'unknown' ? this.#pick(['nope', 'constructor', '__proto__']) : action
    const data: Record<string, unknown> = { id }
    if (action === 'send') {
      const hops = 1 + Math.floor(this.#random.float() * 3)
      data['path'] = Array.from({ length: hops }, () => (this.#random.float() < 0.1 ? 'refuser/r' : this.#pick(sim.swarm.actors)))
    }
    if (action === 'later') {
      data['name'] = this.#pick(TIMER_NAMES)
      data['inMs'] = 1 + Math.floor(this.#random.float() ** 3 * 15_000)
    }
    if (action === 'cancel') data['name'] = this.#pick(TIMER_NAMES)
    const op: Op = {
      id,
      actor,
      type,
      data,
      identity,
      expect: EXPECT[action] ?? 'ok',
      beganUs: sim.world.nowUs,
      answer: null,
      answeredUs: -1,
      attempts: 0,
      base: 0,
    }
    sim.add(op)
    this.#mine.push(op)
    this.openOps++
    this.#attempt(op, this.#channels.get(actor) ?? null)
  }

  /** The oldest number without a final answer. A repeat that comes out of nowhere carries what was true when it was first sent. */
  #base(op: Op, channel: Channel | null): number {
    const { identity } = op
    if (identity.kind !== 'seq') return 0
    let base = identity.seq
    for (const seq of channel?.open ?? []) if (seq < base) base = seq
    if (op.base === 0) op.base = base
    return base
  }

  #attempt(op: Op, channel: Channel | null): void {
    const { world } = this.#sim
    op.attempts++
    let over = false
    const again = (ms: number): void => {
      if (over || op.answeredUs >= 0) return
      over = true
      if (op.identity.kind === 'none') this.#close(op, channel)
      else world.after(ms, () => op.answeredUs < 0 && this.#attempt(op, channel))
    }
    const timeoutMs = this.#random.float() < 0.3 ? 500 : undefined
    this.#post(op, this.#base(op, channel), timeoutMs, (outcome) => {
      if (op.answeredUs >= 0) return
      if (outcome === null || (!outcome.ok && ERRORS[outcome.code].retryable))
        return again(20 + 400 * this.#random.float() * Math.min(op.attempts, 5))
      op.answer = outcome
      op.answeredUs = world.nowUs
      this.#close(op, channel)
      for (const received of this.#sim.hooks.received) received(op)
    })
    // Nothing came: the node is gone, or frozen, or the message was lost.
    world.after(800 + 2000 * this.#random.float(), () => again(0))
  }

  #close(op: Op, channel: Channel | null): void {
    if (op.identity.kind === 'seq') channel?.open.delete(op.identity.seq)
    op.answeredUs = op.answeredUs < 0 ? this.#sim.world.nowUs : op.answeredUs
    this.openOps--
  }

  /** One message to one node, and its answer on the way back; null: the node refused the connection. */
  #post(op: Op, base: number, timeoutMs: number | undefined, done: (outcome: SendOutcome | null) => void): void {
    const { sim } = { sim: this.#sim }
    const { identity } = op
    const call: SendCall = {
      actor: op.actor,
      type: op.type,
      data: op.data,
      sender: `user:${this.#user}`,
      ...(identity.kind === 'seq' && { source: identity.source, seq: identity.seq, base }),
      ...(identity.kind === 'key' && { key: identity.key }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    }
    sim.posted.set(op.id, op)
    const copies = identity.kind !== 'none' && this.#random.float() < sim.swarm.double ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const to = sim.route(op.actor, this.#random, op.attempts, this.#at)
      sim.carry(this.#random, () => {
        const reached = sim.reach(to, (life) => {
          let calls = 0
          const enteredMs = sim.world.nowMs
          if (sim.cluster !== null) sim.world.note('enters', op.id, life.id)
          for (const entered of sim.hooks.entered) entered(op, life)
          life.calls.send(call, (outcome) => {
            if (++calls > 1) return sim.fail('once', `the callback of send ${op.id} was called ${calls} times`)
            if (!life.alive) return
            // In a cluster the owner's engine is looked at (eyes.ts).
            if (sim.cluster === null) {
              sim.world.note('reply', op.id, life.id, outcome.ok ? outcome.offset : outcome.code, outcome.ok && outcome.durable)
              for (const replied of sim.hooks.replied) replied(op, outcome, life)
            } else {
              sim.world.note('heard', op.id, life.id, outcome.ok ? outcome.offset : outcome.code)
              for (const relayed of sim.hooks.relayed) relayed(call, outcome, sim.world.nowMs - enteredMs, life)
            }
            sim.carry(this.#random, () => done(outcome))
          })
          sim.world.settled()
        })
        if (!reached) sim.carry(this.#random, () => done(null))
      })
    }
    sim.world.note('send', op.id, op.type, op.actor, identity.kind === 'seq' ? `${identity.source}#${identity.seq}/${base}` : identity.kind)
  }

  /** An old message turns up again, long after. */
  #repeat(): void {
    const op = this.#mine.length === 0 ? undefined : this.#pick(this.#mine.slice(-20))
    if (op === undefined || op.identity.kind === 'none') return
    this.#post(op, op.base, undefined, () => undefined)
  }

  /** The identity of an event that was taken, under other content (D1). */
  #conflict(): void {
    const old = this.#mine.findLast(
      ({ identity, answer, actor, expect }) =>
        identity.kind === 'key' && answer !== null && answer.ok && expect === 'ok' && typeOf(actor).durable,
    )
    if (old === undefined) return
    const op: Op = {
      ...old,
      id: `${old.id}-conflict`,
      data: { ...old.data, id: `${old.id}-conflict` },
      expect: 'conflict',
      attempts: 0,
      answer: null,
      answeredUs: 0,
    }
    this.#post(op, 0, undefined, () => undefined)
  }
}
