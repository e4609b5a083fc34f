/** One world of the kind `gateway`: the world of troupe/testing with production gateways, devices that are the SDK, and eyes at every socket and on the store. */
import type { Sent } from '../../src/client/send.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { kindOf } from '../../src/testing/verdict.ts'
import type { SimulationError } from '../../src/testing/trace.ts'
import { WorldCore } from '../../src/testing/world.ts'
import { GATEWAY_CHECKS } from './gateway-checks/all.ts'
import type { GatewayCheck, GatewayFacts, GatewayFollow, GatewayOp } from './gateway-check.ts'
import { Device } from './gateway-device.ts'
import { GatewayEyes } from './gateway-eyes.ts'
import type { GatewaySwarm } from './gateway-swarm.ts'
import type { ActorLedger, EntryData } from './ledger.ts'
import { Gate } from './scenario.ts'
import { simApp } from './sim-app.ts'
import { Verdict, type Kind } from './verdict.ts'

const NO_FAULTS = { crashes: 0, freezes: 0, cuts: 0, store: 0 }

export class GatewaySim implements GatewayFacts {
  readonly seed: number
  readonly swarm: GatewaySwarm
  readonly core: WorldCore
  readonly eyes: GatewayEyes
  readonly devices: readonly Device[]
  readonly counts: Map<string, number> = new Map()
  readonly ops: GatewayOp[] = []
  readonly acts: Gate
  readonly verdict: Verdict = new Verdict()
  readonly #byId = new Map<string, GatewayOp>()
  readonly #checks: readonly GatewayCheck[]

  constructor(seed: number, swarm: GatewaySwarm, acts: readonly number[] | undefined) {
    this.seed = seed
    this.swarm = swarm
    this.acts = new Gate(acts)
    const eyes = (this.eyes = new GatewayEyes(
      () => this.nowMs,
      (told) => this.tell(told),
    ))
    this.core = new WorldCore({
      app: simApp(2, swarm.idleMs),
      seed,
      nodes: Array.from({ length: swarm.nodes }, (_, i) => `n${i + 1}`),
      faults: NO_FAULTS,
      options: swarm.options,
      store: memoryStore({}, (actor, mode, bytes) => eyes.placed(actor, mode, bytes)),
      watch: (process) => eyes.watch(process),
    })
    this.#checks = GATEWAY_CHECKS.map((make) => {
      const check: GatewayCheck = make(this, (message) => this.fail(check.name, message))
      return check
    })
    this.devices = Array.from(
      { length: swarm.devices },
      (_, i) => new Device(this, `d${i + 1}`, `u${(i % Math.min(swarm.users, swarm.devices)) + 1}`),
    )
  }

  get nowMs(): number {
    return this.core.elapsedMs
  }

  op(id: string): GatewayOp | undefined {
    return this.#byId.get(id)
  }

  follows(): Iterable<GatewayFollow> {
    return this.devices.flatMap(({ follows }) => follows)
  }

  ledger(actor: string): ActorLedger | undefined {
    return this.eyes.ledgers.get(actor)
  }

  ledgers(): Iterable<ActorLedger> {
    return this.eyes.ledgers.values()
  }

  count(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times)
  }

  tell(told: (check: GatewayCheck) => void): void {
    for (const check of this.#checks) told(check)
  }

  newOp(actor: string, type: string, data: Omit<EntryData, 'id'>, expect: string, keyed: boolean): GatewayOp {
    const id = `o${this.ops.length + 1}`
    const op: GatewayOp = { id, actor, type, data: { id, ...data }, keyed, expect, answers: [] }
    this.ops.push(op)
    this.#byId.set(id, op)
    return op
  }

  answered(op: GatewayOp, answer: Sent | ErrorCode): void {
    op.answers.push(answer)
    this.count(typeof answer === 'string' ? `send ${answer}` : 'send ok')
    if (typeof answer !== 'string') this.core.talks.acks.push({ actor: op.actor, type: op.type, json: JSON.stringify(op.data), ...answer })
    this.tell((check) => check.answered?.(op, answer))
  }

  /** The first counts. It ends the world at its next step. */
  fail(property: string, message: string, kind: Kind = 'safety'): void {
    this.verdict.fail(property, kind, message)
    this.core.blame('invariant', `${property}: ${message}`)
  }

  /** What the world itself found. */
  broke({ property, what }: SimulationError): void {
    this.verdict.fail(property, kindOf(property), what)
  }
}
