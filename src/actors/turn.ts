/**
 * One turn: a reducer run on one event. Synchronous and without effects of its own: what the reducer asks for comes back as data.
 * A reducer that throws, returns a promise or returns nothing leaves no trace in the journal; the activation then reads its state
 * anew, since the reducer may have changed the one it was given.
 */
import { hash32, seeded, type Random } from '../base/random.ts'
import { parseActorId } from './actor-id.ts'
import type { ActorDefinition, ActorRef, EventDefinition, ReduceContext, Refusal } from './define.ts'
import { jsonOf } from './recorded.ts'
import { unknownName } from './unknown-name.ts'

export interface Asks {
  readonly notified: string[]
  readonly sends: { readonly to: string; readonly type: string; readonly json: string }[]
  /** In order; due null cancels. */
  readonly timers: {
    readonly name: string
    readonly due: number | null
    readonly notBefore: number
    readonly type: string
    readonly json: string
  }[]
}

export type TurnOutcome =
  | { readonly kind: 'next'; readonly state: unknown; readonly asks: Asks | null }
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string }
  | { readonly kind: 'threw'; readonly error: unknown }

export class Refused {
  readonly reason: string
  readonly message: string
  constructor(reason: string, message: string) {
    this.reason = reason
    this.message = message
  }
}

/** The context handed to reducers. One for each engine, reused: turns never overlap. Use after the turn throws. */
export class TurnContext implements ReduceContext {
  id = ''
  type = ''
  key = ''
  now = 0
  offset = 0
  sender = ''
  readonly #definitionOf: (type: string) => ActorDefinition | undefined
  readonly #eventBytes: number
  #wall = 0
  /** Folding: what is asked for was decided when the entry was taken, and is read from the batch (J8). */
  #folding = false
  #definition: ActorDefinition | null = null
  #asks: Asks | null = null
  #random: Random | null = null

  constructor(definitionOf: (type: string) => ActorDefinition | undefined, eventBytes: number) {
    this.#definitionOf = definitionOf
    this.#eventBytes = eventBytes
  }

  run(
    definition: ActorDefinition,
    event: EventDefinition<unknown, unknown, string>,
    at: {
      readonly id: string
      readonly key: string
      readonly now: number
      readonly wall: number
      readonly offset: number
      readonly sender: string
    },
    state: unknown,
    data: unknown,
    folding = false,
  ): TurnOutcome {
    if (this.#definition !== null) throw new TypeError('a reducer may not call actors: use ctx.send')
    this.id = at.id
    this.type = definition.type
    this.key = at.key
    this.now = at.now
    this.offset = at.offset
    this.sender = at.sender
    this.#wall = at.wall
    this.#folding = folding
    this.#definition = definition
    this.#asks = null
    this.#random = null
    try {
      const next: unknown = event.reduce(state, data, this)
      if (next instanceof Refused) return { kind: 'refused', reason: next.reason, message: next.message }
      if (next === undefined) return { kind: 'threw', error: new TypeError('the reducer returned nothing: return the next state') }
      if (next instanceof Promise) {
        next.catch(() => undefined)
        return { kind: 'threw', error: new TypeError('the reducer returned a promise: reducers are synchronous') }
      }
      return { kind: 'next', state: next, asks: this.#asks }
    } catch (error) {
      return { kind: 'threw', error }
    } finally {
      this.#definition = null
    }
  }

  random(): number {
    this.#open('random')
    this.#random ??= seeded(`${this.id}#${this.offset}`)
    return this.#random.float()
  }

  notify(topic: string): void {
    const definition = this.#open('notify')
    if (this.#folding) return
    if (definition.topics.get(topic)?.kind !== 'signal')
      throw new TypeError(`ctx.notify: '${topic}' is not a signal topic of '${this.type}'`)
    this.#wanted().notified.push(topic)
  }

  send(to: string | ActorRef<unknown>, type: string, data: unknown = null): void {
    this.#open('send')
    if (this.#folding) return
    const id = typeof to === 'string' ? to : to.id
    const parsed = parseActorId(id)
    if ('wrong' in parsed) throw new TypeError(`ctx.send: '${id}': ${parsed.wrong}`)
    const target = this.#definitionOf(parsed.type)
    if (target === undefined) throw new TypeError(`ctx.send: '${id}': the app has no actor type '${parsed.type}'`)
    if (!target.events.has(type)) throw new TypeError(`ctx.send: ${unknownName(parsed.type, 'event', type, target.events)}`)
    this.#wanted().sends.push({ to: id, type, json: this.#small(jsonOf(data, 'ctx.send'), 'ctx.send') })
  }

  schedule(name: string, when: { readonly inMs: number } | { readonly at: number }, type: string, data: unknown = null): void {
    const definition = this.#open('schedule')
    if (this.#folding) return
    checkTimerName(name)
    if (!definition.events.has(type)) throw new TypeError(`ctx.schedule: '${this.type}' has no event '${type}'`)
    // The alarm goes by the wall clock; the event's time goes on from the entry's, which is ahead of it after the clock went back.
    const due = 'inMs' in when ? this.#wall + when.inMs : when.at
    const notBefore = 'inMs' in when ? this.now + when.inMs : when.at
    if (!Number.isFinite(due) || due < 0 || due > 8.64e15) throw new TypeError(`ctx.schedule: the time of '${name}' is not a time`)
    this.#wanted().timers.push({
      name,
      due: Math.ceil(due),
      notBefore: Math.ceil(notBefore),
      type,
      json: this.#small(jsonOf(data, 'ctx.schedule'), 'ctx.schedule'),
    })
  }

  cancel(name: string): void {
    this.#open('cancel')
    if (this.#folding) return
    checkTimerName(name)
    this.#wanted().timers.push({ name, due: null, notBefore: 0, type: '', json: 'null' })
  }

  refuse(reason: string, message = ''): Refusal {
    this.#open('refuse')
    if (typeof reason !== 'string' || reason === '' || reason.length > 64) throw new TypeError('ctx.refuse: a reason has 1–64 characters')
    return new Refused(reason, String(message).slice(0, 512)) as unknown as Refusal
  }

  #small(json: string, what: string): string {
    if (json.length > this.#eventBytes) throw new TypeError(`${what}: the data has ${json.length} bytes; the limit is ${this.#eventBytes}`)
    return json
  }

  #open(what: string): ActorDefinition {
    if (this.#definition === null) throw new TypeError(`ctx.${what} was called after its reducer had returned`)
    return this.#definition
  }

  #wanted(): Asks {
    this.#asks ??= { notified: [], sends: [], timers: [] }
    return this.#asks
  }
}

function checkTimerName(name: string): void {
  if (typeof name !== 'string' || name === '' || name.length > 128) throw new TypeError('a timer name has 1–128 characters')
}

/** What tells one content from another under the same number or key (D1). */
export function contentOf(type: string, json: string): number {
  return hash32(json, hash32(type))
}
