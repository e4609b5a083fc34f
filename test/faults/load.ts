/**
 * Clients of a cluster under faults: users with two devices each on the SDK, services on HTTP and on gRPC, each in a loop of its own. All sends
 * carry an identity (the SDK's numbers, keys, source and sequence) and are repeated under it; each is in the ledger from before its first try.
 */
import { randomFrom, type Dice } from './dice.ts'
import { SdkDevice } from './load-sdk.ts'
import { GrpcService, HttpService } from './load-services.ts'
import type { Ledger } from './ledger.ts'
import type { FaultNode } from './node-process.ts'

export interface LoadShape {
  readonly users: number
  readonly services: number
  readonly hotActors: number
  readonly coldActors: number
  readonly tallies: number
  /** Between two rounds of one client, on average. */
  readonly thinkMs: number
}

export const SHAPE: LoadShape = { users: 3, services: 2, hotActors: 12, coldActors: 400, tallies: 6, thinkMs: 60 }

/** What all clients share. */
export interface Talk {
  readonly ledger: Ledger
  readonly nodes: readonly FaultNode[]
  readonly shape: LoadShape
  readonly stopped: () => boolean
}

/** That many of the draws are of the hot actors, and of these that many of the few hottest. */
const HOT = 0.65
const HOTTEST = 4

/** Which event to send where. */
export function draw(dice: Dice, { shape }: Talk): { actor: string; tell: string | undefined; inMs: number | undefined } {
  return {
    actor: dice.chance(HOT)
      ? `list/hot${dice.below(dice.chance(HOT) ? HOTTEST : shape.hotActors)}`
      : `list/cold${dice.below(shape.coldActors)}`,
    tell: dice.chance(0.15) ? `tally/t${dice.below(shape.tallies)}` : undefined,
    inMs: dice.chance(0.2) ? 50 + dice.below(1500) : undefined,
  }
}

export class Load {
  readonly #talk: Talk
  readonly #clients: readonly { run(): Promise<void>; close(): void }[]
  readonly #devices: readonly SdkDevice[]
  #stopped = false
  #over: Promise<void>[] = []

  constructor(ledger: Ledger, nodes: readonly FaultNode[], shape: LoadShape, seed: number) {
    this.#talk = { ledger, nodes, shape, stopped: () => this.#stopped }
    const users = Array.from({ length: shape.users }, (_, i) => i)
    const services = Array.from({ length: shape.services }, (_, i) => i)
    this.#devices = users.flatMap((user) =>
      ['phone', 'desk'].map((device) => new SdkDevice(this.#talk, user, device, randomFrom(seed, `${device} ${user}`))),
    )
    this.#clients = [
      ...this.#devices,
      ...services.map((i) => new HttpService(this.#talk, i, randomFrom(seed, `http ${i}`))),
      ...services.map((i) => new GrpcService(this.#talk, i, randomFrom(seed, `grpc ${i}`))),
    ]
  }

  start(): void {
    this.#over = this.#clients.map((client) => client.run())
  }

  /** No new rounds; resolves when all that was begun has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#over)
  }

  /** SDK clients without a connection; null: all have one. */
  get apart(): string | null {
    return this.#devices.flatMap(({ trouble }) => trouble ?? []).join(', ') || null
  }

  close(): void {
    for (const client of this.#clients) client.close()
  }
}
