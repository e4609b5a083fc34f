/** Services: one on HTTP with idempotency keys, one on gRPC with source and sequence. Each try goes to a node at random, for a short time. */
import type { Sum } from './app.ts'
import type { Dice } from './dice.ts'
import { draw, type Talk } from './load.ts'
import type { FaultNode } from './node-process.ts'
import type { SendOp } from './records.ts'
import { RpcCaller } from './rpc-caller.ts'

const TRY_MS = 2500
/** After this a service gives up; what it asked for may have been applied. */
const GIVE_UP_MS = 30_000
const PAUSE_MS = 100

/** How one try ended. `silent`: nobody said. */
export type Tried =
  | { readonly how: 'ok'; readonly offset: number; readonly duplicate: boolean }
  | { readonly how: 'silent' }
  | { readonly how: 'told'; readonly code: string; readonly message: string; readonly retryable: boolean }

export type Answered =
  | { readonly how: 'ok'; readonly offset: number; readonly sum: Sum }
  | { readonly how: 'failed'; readonly code: string; readonly message: string }

/** One send at a time, repeated until it is answered, and reads at every node meanwhile: a superseded owner is found by asking it. */
async function serve(talk: Talk, name: string, dice: Dice, parts: Service): Promise<void> {
  const { ledger, nodes, shape, stopped } = talk
  const asked = new Set<FaultNode>()
  const reads = new Set<Promise<void>>()
  for (let i = 1; !stopped(); i++) {
    const { actor, tell, inMs } = draw(dice, talk)
    const op = ledger.begin({ id: `${name}-${i}`, actor, client: name, order: null, tell, inMs })
    const endMs = performance.now() + GIVE_UP_MS
    for (;;) {
      const tried = await parts.send(dice.pick(nodes), op)
      if (tried.how === 'ok') {
        ledger.acknowledged(op, tried.offset, tried.duplicate)
        break
      }
      if (tried.how === 'silent') op.unanswered++
      else if (!tried.retryable) {
        ledger.failed(op, tried.code, tried.message)
        break
      }
      // A number that was given up would block its successors: gRPC sends go on until they are answered.
      if (!parts.untilAnswered && performance.now() > endMs) {
        ledger.failed(op, 'timeout', 'given up')
        break
      }
      await pause(PAUSE_MS)
    }
    const read = dice.chance(0.3) ? actor : draw(dice, talk).actor
    for (const node of nodes) {
      // One at a time for each node: those that stand still do not hold up the others.
      if (asked.has(node)) continue
      asked.add(node)
      const one = readOnce(talk, name, parts, { node, actor: read, strict: dice.chance(0.7) }).finally(() => {
        asked.delete(node)
        reads.delete(one)
      })
      reads.add(one)
    }
    await pause(dice.between(0, 2 * shape.thinkMs))
  }
  await Promise.all(reads)
}

interface Asked {
  readonly node: FaultNode
  readonly actor: string
  readonly strict: boolean
}

async function readOnce(talk: Talk, name: string, parts: Service, { node, actor, strict }: Asked): Promise<void> {
  const beganMs = performance.now()
  const answered = await parts.query(node, actor, strict)
  const endedMs = performance.now()
  if (answered.how === 'failed') return talk.ledger.readFailed(name, answered.code, answered.message)
  const { offset, sum } = answered
  talk.ledger.read({ kind: 'read', actor, client: `${name} at ${node.name}`, strict, seen: 0, beganMs, endedMs, offset, sum })
}

interface Service {
  readonly untilAnswered: boolean
  send(node: FaultNode, op: SendOp): Promise<Tried>
  query(node: FaultNode, actor: string, strict: boolean): Promise<Answered>
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const dataOf = ({ id, tell, inMs }: SendOp): object => ({ id, ...(tell !== undefined && { tell }), ...(inMs !== undefined && { inMs }) })

export class HttpService implements Service {
  readonly #talk: Talk
  readonly #name: string
  readonly #dice: Dice
  readonly untilAnswered = false

  constructor(talk: Talk, index: number, dice: Dice) {
    this.#talk = talk
    this.#name = `http${index}`
    this.#dice = dice
  }

  run(): Promise<void> {
    return serve(this.#talk, this.#name, this.#dice, this)
  }

  async send(node: FaultNode, op: SendOp): Promise<Tried> {
    const body = JSON.stringify({ type: 'add', data: dataOf(op), key: op.id })
    const answer = await this.#fetch(`${node.client}/v1/actors/${op.actor}/events`, { method: 'POST', body })
    if (answer === null) return { how: 'silent' }
    const { offset, duplicate, error } = answer as { offset: number; duplicate?: boolean; error?: WireError }
    if (error !== undefined) return { how: 'told', ...error }
    return { how: 'ok', offset, duplicate: duplicate === true }
  }

  async query(node: FaultNode, actor: string, strict: boolean): Promise<Answered> {
    const answer = await this.#fetch(`${node.client}/v1/actors/${actor}/queries/sum${strict ? '?strict=true' : ''}`, {})
    if (answer === null) return { how: 'failed', code: 'timeout', message: 'no answer' }
    const { offset, data, error } = answer as { offset: number; data: Sum; error?: WireError }
    return error === undefined ? { how: 'ok', offset, sum: data } : { how: 'failed', ...error }
  }

  async #fetch(url: string, init: RequestInit): Promise<unknown> {
    try {
      const headers = { 'content-type': 'application/json', authorization: `Bearer dev:${this.#name}` }
      const response = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(TRY_MS) })
      return await response.json()
    } catch {
      return null
    }
  }

  close(): void {}
}

interface WireError {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
}

export class GrpcService implements Service {
  readonly #talk: Talk
  readonly #name: string
  readonly #dice: Dice
  readonly #callers: ReadonlyMap<FaultNode, RpcCaller>
  readonly #sequences = new Map<string, { readonly id: string; readonly sequence: number }>()
  readonly untilAnswered = true

  constructor(talk: Talk, index: number, dice: Dice) {
    this.#talk = talk
    this.#name = `grpc${index}`
    this.#dice = dice
    this.#callers = new Map(talk.nodes.map((node) => [node, new RpcCaller(node.rpc, `dev:${this.#name}`, TRY_MS)]))
  }

  run(): Promise<void> {
    return serve(this.#talk, this.#name, this.#dice, this)
  }

  send(node: FaultNode, op: SendOp): Promise<Tried> {
    const last = this.#sequences.get(op.actor)
    const sequence = last === undefined ? 1 : last.id === op.id ? last.sequence : last.sequence + 1
    this.#sequences.set(op.actor, { id: op.id, sequence })
    const identity = { source: this.#name, sequence, base: sequence }
    return (this.#callers.get(node) as RpcCaller).send({ actor: op.actor, type: 'add', data: dataOf(op), ...identity })
  }

  query(node: FaultNode, actor: string, strict: boolean): Promise<Answered> {
    return (this.#callers.get(node) as RpcCaller).query(actor, 'sum', strict)
  }

  close(): void {
    for (const caller of this.#callers.values()) caller.close()
  }
}
