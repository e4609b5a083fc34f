/**
 * What a property of the gateways looks like. Each is a file of its own under gateway-checks/; it is told what passes the sockets and what becomes
 * durable, in that instant, and what the app of a device hears. It reports under its name. Nothing here may influence the run.
 */
import type { Sent } from '../../src/client/send.ts'
import type { AnyNote, Gap } from '../../src/client/subscription.ts'
import type { ErrorCode } from '../../src/errors.ts'
import type { Follower } from '../../src/testing/clients.ts'
import type { ClientFrame, ServerFrame } from '../../src/protocol/frames.ts'
import type { NodeProcess } from '../../src/testing/process.ts'
import type { ActorLedger, EntryData } from './ledger.ts'
import type { GatewaySwarm } from './gateway-swarm.ts'
import type { LedgerBatch } from './sim-data.ts'

/** One event that the app of a device wants applied, once. */
export interface GatewayOp {
  readonly id: string
  readonly actor: string
  readonly type: string
  readonly data: EntryData
  /** Devices of a user that send it under one key: several. */
  readonly keyed: boolean
  /** The only right final answer: 'ok', or an error code. */
  readonly expect: string
  /** Answers that the apps got, one for each device that sent it. */
  readonly answers: (Sent | ErrorCode)[]
}

/** A subscription of a socket, as its gateway has it. */
export interface SeenTopic {
  readonly actor: string
  readonly topic: string
  /** Of the subscribe's answer, and after it of the last note or gap: where the client stands. */
  offset: number
  /** When the last note was written, virtual ms; -Infinity: none yet. */
  notedMs: number
}

/** A connection as its gateway's end shows it. */
export interface SeenSocket {
  readonly process: NodeProcess
  /** '' before the welcome. */
  session: string
  /** Its own actor. */
  actor: string
  /** Unanswered requests, by id; those of one id are repeats. */
  readonly asked: Map<number, ClientFrame>
  /** Frames read and not answered yet. */
  unanswered: number
  readonly topics: Map<number, SeenTopic>
  /** Written and not taken. */
  waitingBytes: number
  /** When it last took some, or began to have some to take, virtual ms. */
  tookMs: number
  /** The gateway has said goodbye. */
  leaving: boolean
}

/** What an app of a device follows. */
export interface GatewayFollow extends Follower {
  readonly device: string
  /** Ids of the entries of a log that came, in order. */
  readonly ids: string[]
}

export const SAMPLE_MS = 500

export interface GatewayFacts {
  readonly nowMs: number
  readonly swarm: GatewaySwarm
  readonly ops: readonly GatewayOp[]
  op(id: string): GatewayOp | undefined
  /** Of all devices, also those that ended. */
  follows(): Iterable<GatewayFollow>
  ledger(actor: string): ActorLedger | undefined
  ledgers(): Iterable<ActorLedger>
  /** Counts that prove that rare paths ran. */
  count(what: string): void
}

export interface GatewayCheck {
  readonly name: string
  /** A batch became durable. */
  placed?(batch: LedgerBatch, ledger: ActorLedger): void
  read?(socket: SeenSocket, frame: ClientFrame): void
  /** `asked`: the request that this answers; `waitingBytes`: of earlier messages. Before the socket's own state takes the frame in. */
  wrote?(socket: SeenSocket, frame: ServerFrame, asked: ClientFrame | undefined, waitingBytes: number): void
  /** The socket's gateway has let go of it, or is gone. */
  ended?(socket: SeenSocket): void
  /** The app of a device was answered. */
  answered?(op: GatewayOp, answer: Sent | ErrorCode): void
  noted?(follow: GatewayFollow, note: AnyNote): void
  gapped?(follow: GatewayFollow, gap: Gap): void
  /** Every so often, each process that serves, and all sockets that there are. */
  sampled?(process: NodeProcess, sockets: Iterable<SeenSocket>): void
  /** Everything has settled. */
  end?(): void
}

export type MakeGatewayCheck = (facts: GatewayFacts, fail: (message: string) => void) => GatewayCheck
