/**
 * What a property looks like. Each is a file of its own under checks/ and is told what happens, as it happens; it reports to the
 * verdict under its name. Nothing here may influence the run.
 */
import type { Note, QueryCall, QueryOutcome, SendCall, SendOutcome, TopicState, HistoryPage, HistoryCall } from '../../src/actors/calls.ts'
import type { Bundle } from '../../src/actors/engine.ts'
import type { Append, CommitGroup, SnapshotWrite, Verdict } from '../../src/store/store.ts'
import type { ActorLedger, EntryData } from './ledger.ts'
import type { ActorRecord, LedgerBatch } from './sim-data.ts'
import type { SimCluster } from './sim-cluster.ts'
import type { Life, SimNode } from './sim-node.ts'
import type { Swarm } from './swarm.ts'
import type { World } from './world.ts'

export type Identity =
  | { readonly kind: 'seq'; readonly source: string; readonly seq: number }
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'none' }

/** One thing that a client wants done, once, however often it is sent. */
export interface Op {
  readonly id: string
  readonly actor: string
  readonly type: string
  readonly data: EntryData
  readonly identity: Identity
  /** The only right final answer: 'ok', or an error code. 'conflict': sent under an identity that is used up. */
  readonly expect: string
  readonly beganUs: number
  /** First final answer, as the engine gave it and when; durable or not. */
  answer: SendOutcome | null
  /** When the client had it. */
  answeredUs: number
  attempts: number
  /** Of the first attempt. */
  base: number
}

export interface Query {
  readonly actor: string
  readonly call: QueryCall
  readonly beganUs: number
}

/** Somebody who follows a topic, as a gateway does. */
export interface Follower {
  readonly name: string
  readonly actor: string
  readonly topic: string
}

export interface Facts {
  readonly world: World
  readonly swarm: Swarm
  readonly nodes: readonly SimNode[]
  readonly cluster: SimCluster | null
  readonly ops: readonly Op[]
  ledger(actor: string): ActorLedger | undefined
  ledgers(): Iterable<ActorLedger>
  /** Counts that prove that rare paths ran. */
  count(what: string): void
}

/** What those need who only look at the ledgers in the end. */
export interface Outcomes {
  readonly ops: readonly Pick<Op, 'id' | 'actor' | 'type' | 'data'>[]
  ledgers(): Iterable<Pick<ActorLedger, 'actor' | 'ids'>>
  count(what: string): void
}

export interface Check {
  readonly name: string
  /** A group was handed to the store. */
  proposed?(life: Life, group: CommitGroup): void
  /** The node hears how it went. */
  heard?(life: Life, group: CommitGroup, verdicts: readonly Verdict[] | 'refused' | 'unknown'): void
  /** An append is about to take its place. */
  appending?(append: Append, record: ActorRecord): void
  /** A batch became durable. */
  applied?(batch: LedgerBatch, ledger: ActorLedger): void
  snapshot?(write: SnapshotWrite, ledger: ActorLedger | undefined): void
  /** A group is durable as a whole, hints included. */
  touched?(ledger: ActorLedger): void
  /** The engine answered, in this instant. */
  replied?(op: Op, outcome: SendOutcome, life: Life): void
  /** The client got the first final answer. */
  received?(op: Op): void
  answered?(query: Query, outcome: QueryOutcome, life: Life): void
  queried?(query: Query, outcome: QueryOutcome): void
  /** An owner has given an actor up (H1). */
  released?(actor: string, bundle: Bundle | null, life: Life): void
  /** In a cluster: something leaves an engine, as an owner's word if `what` says so. */
  spoke?(what: string | null, life: Life): void
  /** In a cluster: the engine hears that its generation was declared dead. */
  disowning?(life: Life): void
  /** In a cluster: a node has handed over, written and left. */
  drained?(life: Life, tookMs: number): void
  /** In a cluster: a client's send came to the router of a node. */
  entered?(op: Op, life: Life): void
  /** In a cluster: the router of a node answered a client. */
  relayed?(call: SendCall, outcome: SendOutcome, tookMs: number, life: Life): void
  /** A process tells somebody who follows. */
  told?(follower: Follower, said: { readonly journal: string; readonly epoch: number }, life: Life): void
  paged?(call: HistoryCall, page: HistoryPage): void
  subscribed?(follower: Follower, state: TopicState, life: Life): void
  /** The engine gave a note, in this instant. */
  noted?(follower: Follower, note: Note, upstream: object, life: Life): void
  /** Twice a second, each process that lives. */
  sampled?(life: Life): void
  /** Everything has settled. */
  end?(): void
}

/** Of a property that needs no more than that, also where there are gateways. */
export type MakeOutcomeCheck = (outcomes: Outcomes, fail: (message: string) => void) => Pick<Check, 'name' | 'end'>
export type MakeCheck = (facts: Facts, fail: (message: string) => void) => Check

type Hook = Exclude<keyof Check, 'name'>

/** Who looks at what. Most checks look at a few things: to ask each of them every time costs more than what they do. */
export type Hooks = { readonly [H in Hook]: readonly NonNullable<Check[H]>[] }

export function hooksOf(checks: readonly Check[]): Hooks {
  const all = <H extends Hook>(hook: H): NonNullable<Check[H]>[] =>
    checks.flatMap((check): NonNullable<Check[H]>[] => {
      const look = check[hook]
      return look === undefined ? [] : [look]
    })
  return {
    proposed: all('proposed'),
    heard: all('heard'),
    appending: all('appending'),
    applied: all('applied'),
    snapshot: all('snapshot'),
    touched: all('touched'),
    replied: all('replied'),
    received: all('received'),
    answered: all('answered'),
    queried: all('queried'),
    released: all('released'),
    spoke: all('spoke'),
    disowning: all('disowning'),
    drained: all('drained'),
    entered: all('entered'),
    relayed: all('relayed'),
    told: all('told'),
    paged: all('paged'),
    subscribed: all('subscribed'),
    noted: all('noted'),
    sampled: all('sampled'),
    end: all('end'),
  }
}
