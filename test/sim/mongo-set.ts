/**
 * A replica set in the simulated world: a primary with its data, and what a majority has of them (test/support/mongo-data.ts). The production store asks
 * it through mongo-tables.ts, in the commands that the driver would send.
 *
 *  - A write is the primary's at once and the majority's a little later, with all before it; only then is it answered. `linearizable` reads wait likewise.
 *  - A primary that is lost takes with it what nobody else had: how much that is comes from the seed. Whoever waited hears of it in one of the ways that a
 *    driver may: the connection ends, a write concern error, an error for the whole.
 *  - One that is only cut off goes on for some of the clients: it takes their writes and never acknowledges one, shows what the majority had, and proves
 *    nothing.
 *  - What seems lost on the way may only be slow, and take effect long after its sender gave it up.
 */
import { BSON, MongoNetworkError, MongoNetworkTimeoutError, MongoServerError, type Document } from 'mongodb'
import type { Random } from '../../src/base/random.ts'
import { Commands } from '../support/mongo-commands.ts'
import { MongoData } from '../support/mongo-data.ts'
import type { Fault } from '../support/mongo-faults.ts'
import { LATE_ANSWER_MS, type Carrier, type StoreFaults } from './sim-store.ts'

export const DATABASE = 'troupe'
const WRITES = new Set(['insert', 'update', 'delete', 'findAndModify'])
/** As the limits of the store say (mongo-disk.ts): a command waits so long for a primary, and for its answer. */
export const SELECTION_MS = 1000
export const SOCKET_MS = 3000
const LATE_EFFECT_MS = 5000
const CUT_OFF_MS = 6000
const NOT_PRIMARY = 10_107
const STEPPED_DOWN = 189
const SHUTTING_DOWN = 91
const INTERRUPTED = 11_602
const INVALID_DOCUMENT = 121

interface Primary {
  readonly data: MongoData
  readonly commands: Commands
  deposed: boolean
  readonly waiting: Set<Waiting>
}

interface Waiting {
  readonly by: string
  readonly position: number
  durable(): void
  deposed(): void
}

/** One process that uses it. */
export interface MongoClientPorts {
  readonly carrier: Carrier
  readonly random: Random
}

interface Asked {
  readonly name: string
  readonly body: Document
  readonly writes: boolean
  /** 0 to 1: which fault meets it. */
  readonly draw: number
  /** Settles the promise of the sender, a journey later. */
  readonly answer: (settle: () => void) => void
  readonly resolve: (reply: Document) => void
  readonly reject: (error: Error) => void
}

export class MongoSet {
  readonly data: MongoData = new MongoData()
  readonly #faults: StoreFaults
  readonly #random: Random
  readonly #nowMs: () => number
  readonly #later: (ms: number, run: () => void) => void
  readonly #count: (what: string) => void
  #primary: Primary
  /** Before that there is no primary. */
  #electedMs = 0
  /** Who has asked. */
  readonly #clients = new Set<string>()
  readonly #cutOff = new Map<string, { readonly primary: Primary; readonly untilMs: number }>()

  constructor(
    faults: StoreFaults,
    random: Random,
    ports: { nowMs(): number; later(ms: number, run: () => void): void; count(what: string): void },
  ) {
    this.#faults = faults
    this.#random = random
    this.#nowMs = () => ports.nowMs()
    this.#later = (ms, run) => ports.later(ms, run)
    this.#count = (what) => ports.count(what)
    this.#primary = primaryOf(this.data)
  }

  /** A command of a process. Rejects with the errors of the driver. */
  ask({ carrier, random }: MongoClientPorts, body: Document): Promise<Document> {
    const name = Object.keys(body)[0] as string
    const { late } = this.#faults
    // Half of the commands have left the process once made; the others wait with it while it is frozen, and die with it.
    const left = random.float() < 0.5
    const draw = random.float()
    const out = this.#latency(random)
    const back = random.float() < late ? LATE_ANSWER_MS * (0.2 + 0.8 * random.float()) : this.#latency(random)
    const writes = WRITES.has(name)
    // As it goes over the wire: what is stored does not change when its writer changes his buffer.
    const wired = writes ? BSON.deserialize(BSON.serialize(body, { ignoreUndefined: true }), { promoteBuffers: true }) : body
    const sent: Document = { ...wired, $db: DATABASE }
    return new Promise((resolve, reject) => {
      let over = false
      const settle = (how: () => void): void => {
        if (over) return
        carrier.deliver(() => {
          if (over) return
          over = true
          carrier.settled()
          how()
        })
      }
      const answer = (how: () => void): void => carrier.later(back, () => settle(how))
      carrier.later(SOCKET_MS, () => settle(() => reject(new MongoNetworkTimeoutError('simulated: no answer in time'))))
      const asked: Asked = { name, body: sent, writes, draw, answer, resolve, reject }
      const arrive = (): void => this.#arrive(carrier.by, random, asked)
      carrier.later(out, left ? arrive : () => carrier.deliver(arrive))
    })
  }

  #arrive(by: string, random: Random, asked: Asked): void {
    const { refused, unknownBefore, down, failover } = this.#faults
    this.#clients.add(by)
    const { writes, draw, answer, reject } = asked
    if (down || draw < refused) return answer(() => reject(unsent()))
    if (writes && draw < refused + unknownBefore) {
      if (draw < refused + unknownBefore / 3)
        this.#later(LATE_EFFECT_MS * random.float() ** 3, () => {
          this.#count('mongo late effect')
          this.#run(this.#primary, by, asked, null)
          this.#replicate(this.#primary)
        })
      return answer(() => reject(lost()))
    }
    const primary = this.#primaryOf(by)
    const wait = this.#electedMs - this.#nowMs()
    if (primary === this.#primary && wait > 0) {
      if (wait > SELECTION_MS) return this.#later(SELECTION_MS, () => answer(() => reject(unsent())))
      return this.#later(wait + 0.001, () => this.#arrive(by, random, asked))
    }
    if (writes && primary === this.#primary && random.float() < failover / 2) {
      this.#failOver()
      return answer(() => reject(random.float() < 0.5 ? lost() : failure(NOT_PRIMARY)))
    }
    this.#serve(primary, by, random, asked)
    if (writes && primary === this.#primary && random.float() < failover / 2) this.#failOver()
  }

  #serve(primary: Primary, by: string, random: Random, asked: Asked): void {
    const { verdictUnknown, unknownAfter, refused, unknownBefore } = this.#faults
    const { body, writes, draw, answer, resolve, reject } = asked
    let reply: Document
    try {
      reply = this.#run(primary, by, asked, this.#refusing(asked, random))
    } catch (error) {
      // An operator that the real server may know and this one does not: no fault of the simulated world.
      return answer(() => reject(error as Error))
    }
    if (reply['ok'] !== 1) return answer(() => reject(new MongoServerError(reply as { message: string })))
    const sure = writes ? body['writeConcern']?.w === 'majority' : body['readConcern']?.level === 'linearizable'
    if (!sure) {
      if (writes) this.#replicate(primary)
      return answer(() => resolve(reply))
    }
    const { position } = primary.data
    const unsure = (code: number): Document => ({ ...reply, writeConcernError: { code, errmsg: 'simulated: waiting was interrupted' } })
    if (writes && draw >= refused + unknownBefore && draw < refused + unknownBefore + unknownAfter) answer(() => reject(lost()))
    else if (writes && asked.name !== 'findAndModify' && random.float() < verdictUnknown) answer(() => resolve(unsure(SHUTTING_DOWN)))
    else
      primary.waiting.add({
        by,
        position,
        durable: () => answer(() => resolve(reply)),
        deposed: () => {
          const how = random.float()
          if (how < 0.4) answer(() => reject(lost()))
          else if (how < 0.7 && writes && asked.name !== 'findAndModify') answer(() => resolve(unsure(STEPPED_DOWN)))
          else answer(() => reject(failure(INTERRUPTED)))
        },
      })
    this.#replicate(primary)
  }

  #run({ data, commands }: Primary, by: string, { name, body }: Asked, fault: Fault | null): Document {
    data.writer = by
    const reply = commands.run(name, body, fault)
    if (reply === null) throw new Error(`the simulated replica set has no command '${name}'`)
    return reply
  }

  /** Documents that the server will not have, for good or for now. */
  #refusing({ name, body }: Asked, random: Random): Fault | null {
    const { verdictRefused } = this.#faults
    const items = (name === 'insert' ? body['documents'] : name === 'update' ? body['updates'] : []) as Document[]
    if (verdictRefused === 0 || items.length === 0) return null
    const documents = new Map<number, number>()
    for (let i = 0; i < items.length; i++)
      if (random.float() < verdictRefused) documents.set(i, random.float() < 0.5 ? NOT_PRIMARY : INVALID_DOCUMENT)
    return documents.size === 0 ? null : { documents }
  }

  /** A majority has all that is now there, a journey later; unless the primary is none any more by then. */
  #replicate(primary: Primary): void {
    const { position } = primary.data
    this.#later(this.#latency(this.#random), () => {
      if (primary.deposed) return
      primary.data.commit(position)
      for (const waiting of primary.waiting) {
        if (waiting.position > position) continue
        primary.waiting.delete(waiting)
        waiting.durable()
      }
    })
  }

  #primaryOf(by: string): Primary {
    const cut = this.#cutOff.get(by)
    if (cut === undefined || this.#nowMs() >= cut.untilMs) return this.#primary
    this.#count('mongo deposed primary asked')
    return cut.primary
  }

  #failOver(): void {
    const random = this.#random
    const before = this.#primary
    const cutOff = random.float() < 0.5
    this.#count(cutOff ? 'mongo primary cut off' : 'mongo primary lost')
    before.deposed = true
    const waiting = [...before.waiting]
    before.waiting.clear()
    const stale = cutOff ? { ...primaryOf(this.data.fork()), deposed: true } : null
    const { committed, position } = this.data
    const kept = committed + Math.floor(random.float() * (position - committed + 1))
    if (kept < position) this.#count('mongo rolled back')
    this.data.rollBack(kept)
    this.data.commit()
    this.#primary = primaryOf(this.data)
    this.#electedMs = this.#nowMs() + 10 + 2500 * random.float() ** 2
    if (stale === null) {
      for (const { deposed } of waiting) deposed()
      return
    }
    const untilMs = this.#nowMs() + CUT_OFF_MS * random.float()
    for (const by of this.#clients) if (random.float() < 0.4) this.#cutOff.set(by, { primary: stale, untilMs })
    for (const { by, deposed } of waiting) {
      if (this.#cutOff.get(by)?.primary === stale) this.#later(untilMs - this.#nowMs(), deposed)
      else deposed()
    }
    this.#later(untilMs - this.#nowMs(), () => {
      for (const { deposed } of stale.waiting) deposed()
    })
  }

  #latency(random: Random): number {
    const { latencyMs, tailMs } = this.#faults
    const u = random.float()
    return (latencyMs * (0.5 + u) + (u > 0.95 ? tailMs * random.float() : 0)) / 2
  }
}

function primaryOf(data: MongoData): Primary {
  return { data, commands: new Commands(data, new Set()), deposed: false, waiting: new Set() }
}

/** As the driver marks what it did not send. */
function unsent(): Error {
  const error = new MongoNetworkError('simulated: no primary answers')
  error.addErrorLabel('HandshakeError')
  return error
}

function lost(): Error {
  return new MongoNetworkError('simulated: connection lost')
}

function failure(code: number): Error {
  return new MongoServerError({ message: `simulated: error ${code}`, errmsg: `simulated: error ${code}`, code })
}
