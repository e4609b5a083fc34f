/**
 * The one options table: every limit and default of a node, with unit, bounds and meaning.
 * docs/options.md is held equal to it by a test. Units are in the names: Ms, Bytes, or a plain count.
 */
export interface OptionRow {
  readonly value: number
  readonly min: number
  readonly max: number
  readonly doc: string
}

const row = (value: number, min: number, max: number, doc: string): OptionRow => Object.freeze({ value, min, max, doc })

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const KIB = 1024
const MIB = 1024 * KIB

export const OPTIONS: Readonly<Record<OptionName, OptionRow>> = Object.freeze({
  // The actor and its turn
  mailboxEvents: row(1024, 1, 1_000_000, 'Events that may wait for one actor; the next is answered `overloaded`.'),
  pendingEvents: row(
    50_000,
    64,
    10_000_000,
    'Events of all actors of a node that wait for a turn or for the store; the next is answered `overloaded`.',
  ),
  pendingBytes: row(256 * MIB, MIB, 64 * 1024 * MIB, 'The same in bytes of event data.'),
  eventBytes: row(256 * KIB, 64, 8 * MIB, 'Largest data of one event, encoded; a larger one is answered `too_large`.'),
  answerBytes: row(4 * MIB, KIB, 64 * MIB, 'Largest answer to a query, view or history page; a larger one is answered `too_large`.'),
  idleMs: row(
    MINUTE,
    100,
    30 * 24 * HOUR,
    'An activation that nobody used for this long is written and dropped from memory. An actor type may choose its own.',
  ),
  turnBudgetMs: row(
    50,
    1,
    MINUTE,
    'A reducer or query that takes longer is reported with actor and event type. It is not stopped: it runs on the node’s own thread.',
  ),
  sendTimeoutMs: row(10 * SECOND, 10, 10 * MINUTE, 'A request without its own `timeoutMs` is answered `timeout` after this.'),
  activationTimeoutMs: row(
    10 * SECOND,
    10,
    10 * MINUTE,
    'Reading an actor from the store is given up after this; who waits is answered `store_unavailable`.',
  ),
  readProofMs: row(
    5 * SECOND,
    0,
    10 * MINUTE,
    'A query may be answered from memory if the last proof that the memory is the newest began less than this ago (D11).',
  ),
  // The journal
  snapshotEntries: row(256, 1, 1_000_000, 'A snapshot is written when this many entries came since the last.'),
  snapshotBytes: row(64 * KIB, KIB, 64 * MIB, 'A snapshot is written when this many bytes of batches came since the last.'),
  commitBatches: row(4096, 1, 100_000, 'Batches of one commit to the store; more wait for the next.'),
  commitBytes: row(8 * MIB, 64 * KIB, 256 * MIB, 'Bytes of one commit to the store; more wait for the next.'),
  storeRetryMs: row(50, 1, MINUTE, 'First wait before a commit of unknown outcome is repeated; doubles up to 2 s.'),
  storePatienceMs: row(
    2 * SECOND,
    0,
    10 * MINUTE,
    'A commit that the store certainly did not take is repeated for this long; then its events are answered `store_unavailable`.',
  ),
  handoffBytes: row(
    MIB,
    0,
    16 * MIB,
    'Largest actor that is handed to its next owner over the network (H1); the next owner reads a larger one from the store.',
  ),
  // Delivery
  answersKept: row(
    64,
    1,
    4096,
    'Answers remembered for each source and actor (D3); of a source that says its `base`, up to 16 times as many that it may still ask for.',
  ),
  keysKept: row(4096, 1, 1_000_000, 'Idempotency keys remembered for each actor (D3).'),
  recordKeysKept: row(
    64,
    1,
    1_000_000,
    'The same for an actor with history `none`, whose one record is written whole with each event, keys included: older ones go when they are over `recordKeysMs` old.',
  ),
  recordKeysMs: row(2 * MINUTE, SECOND, 365 * 24 * HOUR, 'How long an actor with history `none` remembers keys beyond its newest.'),
  dedupeTtlMs: row(24 * HOUR, MINUTE, 365 * 24 * HOUR, 'A source or key that was not used for this long is forgotten (D3).'),
  effectsPending: row(1000, 1, 1_000_000, 'Undelivered sends of one actor above which clients’ sends to it get `overloaded` (D4).'),
  effectsPendingBytes: row(MIB, KIB, 1024 * MIB, 'The same in bytes.'),
  effectRetryMs: row(200, 1, MINUTE, 'First wait before an undelivered send is repeated; doubles up to 10 s.'),
  notifyEveryMs: row(
    200,
    0,
    HOUR,
    'Debounce window of a signal or view that names none: at most one notification in it, the last always goes out (D7).',
  ),
  wakeScanMs: row(500, 10, MINUTE, 'How often the store is asked for actors that owe something: due timers, undelivered sends (D5).'),
  wakeBatch: row(32, 1, 10_000, 'Actors woken at once; more due ones follow when these are read, and as long again later.'),
  historyEntries: row(300, 1, 10_000, 'Entries of one history answer at most.'),
  // Between nodes
  wireFrameBytes: row(4 * MIB, 64 * KIB, 64 * MIB, 'Largest message between two nodes; a larger one ends their connection.'),
  wireHandshakeMs: row(5 * SECOND, 100, MINUTE, 'A connection between nodes on which both are not known to each other by then is ended.'),
  // Twice to three times this is below the time that a send waits for its answer.
  wirePingMs: row(
    3 * SECOND,
    100,
    10 * SECOND,
    'How often nodes say on each connection that they live; after twice to three times this without a word a connection is lost.',
  ),
  // Connections
  connections: row(100_000, 1, 10_000_000, 'Sockets of one node; more are answered `bye 3013` and beyond twice this refused.'),
  unauthenticated: row(
    10_000,
    1,
    10_000_000,
    'Of these, sockets that have not been let in yet, or were refused and are not gone; more are answered `bye 3013` and beyond twice this refused.',
  ),
  connectTimeoutMs: row(10 * SECOND, 10, 10 * MINUTE, 'A socket that has not sent `connect` by then is closed with 3502.'),
  earlyFrames: row(32, 1, 10_000, 'Frames that may wait while a `connect` is being answered.'),
  earlyBytes: row(64 * KIB, KIB, 16 * MIB, 'The same in bytes.'),
  frameBytes: row(64 * KIB, KIB, 16 * MIB, 'Largest message from a client; a larger one closes the socket with 1009.'),
  frameDepth: row(64, 4, 1000, 'Deepest nesting of data from a client.'),
  inflight: row(64, 1, 100_000, 'Unanswered requests of one connection; at the limit its socket is not read.'),
  subscriptions: row(128, 1, 100_000, 'Subscriptions of one connection; the next is answered `overloaded`.'),
  malformedFrames: row(3, 1, 1000, 'Malformed frames of one connection before it is closed with 3501.'),
  pingEveryMs: row(25 * SECOND, 100, HOUR, 'A connection to which nothing was sent for this long gets a `ping`.'),
  pongGraceMs: row(8 * SECOND, 50, HOUR, 'A connection from which nothing came this long after a `ping` is closed with 3012.'),
  outboxSoftBytes: row(
    64 * KIB,
    KIB,
    64 * MIB,
    'Bytes waiting on a socket above which notifications conflate (signal, view) or turn to pulling (log) (D9).',
  ),
  outboxBytes: row(MIB, 4 * KIB, 1024 * MIB, 'Bytes waiting on a socket above which requests of that connection are not read.'),
  slowConsumerMs: row(30 * SECOND, 100, HOUR, 'A socket that takes nothing for this long while bytes wait is closed with 3008.'),
  ticketTtlMs: row(
    12 * HOUR,
    SECOND,
    23 * HOUR,
    'A resume ticket holds for this long; below dedupeTtlMs, so that a resumed session still finds its numbers (D3).',
  ),
  drainSpreadMs: row(5 * SECOND, 0, HOUR, 'On drain, clients are asked to move within this time.'),
  httpBodyBytes: row(MIB, KIB, 64 * MIB, 'Largest HTTP request body; a larger one gets 413.'),
  httpBatchEvents: row(1000, 1, 100_000, 'Events of one HTTP request at most.'),
  authTimeoutMs: row(5 * SECOND, 10, 10 * MINUTE, '`authenticate` has this long; then the connection gets `bye 3013`.'),
  // The rpc port
  rpcConnections: row(10_000, 1, 1_000_000, 'Connections to the rpc port, those of other nodes too; more are closed at once.'),
  rpcConnectionStreams: row(
    1000,
    1,
    1_000_000,
    'Calls and streams of one gRPC connection that may be open; its client holds the next back.',
  ),
  rpcStreams: row(10_000, 1, 1_000_000, 'gRPC calls and streams of services that may be open; the next is answered `overloaded`.'),
  rpcMessageBytes: row(
    4 * MIB,
    64 * KIB,
    64 * MIB,
    'Largest gRPC message of a service; a larger one is answered `too_large`, one of more than twice this by gRPC itself with RESOURCE_EXHAUSTED.',
  ),
  rpcInflight: row(
    1024,
    1,
    100_000,
    'Events of one SendStream whose replies its client has not taken; at the limit the stream is not read.',
  ),
  rpcInflightBytes: row(4 * MIB, 64 * KIB, 1024 * MIB, 'The same in bytes; one event may go beyond it.'),
  rpcAnswerBytes: row(
    256 * MIB,
    MIB,
    64 * 1024 * MIB,
    'Bytes of answers to gRPC queries that their callers have not taken; above it queries are answered `overloaded`.',
  ),
  rpcPingMs: row(25 * SECOND, 100, HOUR, 'A gRPC connection is pinged this often.'),
  rpcPongMs: row(8 * SECOND, 50, HOUR, 'A gRPC connection that has not answered a ping by then is closed.'),
  // The cluster (docs/membership.md has the formulas that these enter)
  members: row(4096, 2, 4096, 'Members of one cluster; a further one is refused and logged.'),
  gossipPeriodMs: row(500, 50, MINUTE, 'Protocol period T: one member is probed in each; a sick node takes up to nine times as long.'),
  gossipProbeTimeoutMs: row(
    250,
    20,
    MINUTE / 2,
    'Longest wait for a direct answer before others are asked to probe; adapts down to 4 round trips, not below 100. At most half a period.',
  ),
  gossipIndirect: row(3, 0, 16, 'Members asked to probe one that did not answer.'),
  gossipSuspicionMult: row(4, 1, 100, 'α: a suspicion lasts at least α · max(1, log10 members) periods.'),
  gossipSuspicionMaxMult: row(8, 1, 100, 'β: an unconfirmed suspicion lasts β times as long as the least.'),
  gossipConfirmations: row(3, 0, 16, 'K: independent accusers beyond the first that bring a suspicion to its least.'),
  gossipSpreadMs: row(100, 10, MINUTE, 'While there is news, some members are told this often.'),
  gossipFanout: row(3, 1, 32, 'Members told at a time.'),
  gossipTransmits: row(4, 1, 100, 'Each piece of news is sent this many times ⌈log10(members + 1)⌉ by each node.'),
  gossipSyncMs: row(10 * SECOND, 100, HOUR, 'How often records are compared with another member, also without a sign of a difference.'),
  gossipReseedMs: row(
    15 * SECOND,
    100,
    HOUR,
    'How often, ± 20 %, for ever, a seed or a member thought dead is asked: heals a split of any length.',
  ),
  gossipJoinMs: row(3 * SECOND, 100, 10 * MINUTE, 'With no answer from any seed for this long a node serves alone (and keeps asking).'),
  gossipRetentionMs: row(HOUR, SECOND, 24 * HOUR, 'A member that died or left is remembered and shown for this long.'),
  gossipFlapWindowMs: row(
    MINUTE,
    SECOND,
    HOUR,
    'A member that is suspected for long and refutes three times in this window is declared dead.',
  ),
  gossipHoldDownMs: row(
    MINUTE / 2,
    100,
    10 * MINUTE,
    'After that it stays `joining` for this long, twice as long each further time, at most 10 min.',
  ),
  // Between nodes
  linkInflight: row(
    16_384,
    1,
    1_000_000,
    'Requests of one other node that may be unanswered here: what it may send before answers come (R1).',
  ),
  linkInflightBytes: row(16 * MIB, 64 * KIB, 1024 * MIB, 'The same in bytes; one request may go beyond it.'),
  linkQueue: row(16_384, 1, 1_000_000, 'Requests to one other node that wait for its credit; the next is answered `overloaded`.'),
  linkQueueBytes: row(16 * MIB, 64 * KIB, 1024 * MIB, 'The same in bytes.'),
  linkBufferBytes: row(
    16 * MIB,
    64 * KIB,
    32 * MIB,
    'Bytes that wait for the network to one node above which its notes conflate (signal, view) or end (log), and answers to reads are refused.',
  ),
  linkSubscriptions: row(500_000, 1, 10_000_000, 'Subscriptions that one other node may have here; the next is answered `overloaded`.'),
  leaseMs: row(
    30 * SECOND,
    300,
    HOUR,
    'A subscription of another node that is not renewed for this long ends; it is renewed three times as often (D8).',
  ),
  forwardedEvents: row(
    50_000,
    64,
    10_000_000,
    'Sends, and as many reads, of this node that wait for actors on other nodes or on their way; the next is answered `overloaded`.',
  ),
  forwardedBytes: row(128 * MIB, MIB, 64 * 1024 * MIB, 'The same in bytes of event data.'),
  handoffActors: row(32, 1, 10_000, 'Actors on their way to one other node at once, after a change of members (H1).'),
  handoffAckMs: row(
    10 * SECOND,
    10,
    MINUTE,
    'A new owner that has not said by then that its claim of an actor is durable is not waited for any more (H1).',
  ),
  pullMs: row(SECOND, 10, MINUTE, 'A new owner waits this long for what an earlier owner has in memory, then reads the store (H1).'),
  pullEvents: row(1000, 1, 1_000_000, 'Requests that may wait for one actor that is being pulled; the next is asked to come again.'),
  pullBytes: row(MIB, KIB, 1024 * MIB, 'The same in bytes.'),
  earlierPlacementMs: row(
    MINUTE,
    100,
    HOUR,
    'An earlier owner that has not said for this long that it has handed over all is asked for that word; until it gives it, it is asked for actors (H1).',
  ),
})

export type OptionName =
  | 'mailboxEvents'
  | 'pendingEvents'
  | 'pendingBytes'
  | 'eventBytes'
  | 'answerBytes'
  | 'idleMs'
  | 'turnBudgetMs'
  | 'sendTimeoutMs'
  | 'activationTimeoutMs'
  | 'readProofMs'
  | 'snapshotEntries'
  | 'snapshotBytes'
  | 'commitBatches'
  | 'commitBytes'
  | 'storeRetryMs'
  | 'storePatienceMs'
  | 'handoffBytes'
  | 'answersKept'
  | 'keysKept'
  | 'recordKeysKept'
  | 'recordKeysMs'
  | 'dedupeTtlMs'
  | 'effectsPending'
  | 'effectsPendingBytes'
  | 'effectRetryMs'
  | 'notifyEveryMs'
  | 'wakeScanMs'
  | 'wakeBatch'
  | 'historyEntries'
  | 'wireFrameBytes'
  | 'wireHandshakeMs'
  | 'wirePingMs'
  | 'connections'
  | 'unauthenticated'
  | 'connectTimeoutMs'
  | 'earlyFrames'
  | 'earlyBytes'
  | 'frameBytes'
  | 'frameDepth'
  | 'inflight'
  | 'subscriptions'
  | 'malformedFrames'
  | 'pingEveryMs'
  | 'pongGraceMs'
  | 'outboxSoftBytes'
  | 'outboxBytes'
  | 'slowConsumerMs'
  | 'ticketTtlMs'
  | 'drainSpreadMs'
  | 'httpBodyBytes'
  | 'httpBatchEvents'
  | 'authTimeoutMs'
  | 'rpcConnections'
  | 'rpcConnectionStreams'
  | 'rpcStreams'
  | 'rpcMessageBytes'
  | 'rpcInflight'
  | 'rpcInflightBytes'
  | 'rpcAnswerBytes'
  | 'rpcPingMs'
  | 'rpcPongMs'
  | 'members'
  | 'gossipPeriodMs'
  | 'gossipProbeTimeoutMs'
  | 'gossipIndirect'
  | 'gossipSuspicionMult'
  | 'gossipSuspicionMaxMult'
  | 'gossipConfirmations'
  | 'gossipSpreadMs'
  | 'gossipFanout'
  | 'gossipTransmits'
  | 'gossipSyncMs'
  | 'gossipReseedMs'
  | 'gossipJoinMs'
  | 'gossipRetentionMs'
  | 'gossipFlapWindowMs'
  | 'gossipHoldDownMs'
  | 'linkInflight'
  | 'linkInflightBytes'
  | 'linkQueue'
  | 'linkQueueBytes'
  | 'linkBufferBytes'
  | 'linkSubscriptions'
  | 'leaseMs'
  | 'forwardedEvents'
  | 'forwardedBytes'
  | 'handoffActors'
  | 'handoffAckMs'
  | 'pullMs'
  | 'pullEvents'
  | 'pullBytes'
  | 'earlierPlacementMs'
export type Options = { readonly [Name in OptionName]: number }

/** Thrown at start, for a person to read: which option, what was given, what is allowed. */
export class OptionError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'OptionError'
  }
}

/** Checks given values against the table and each other and fills in the rest. Throws OptionError, naming the option. */
export function resolveOptions(given: Partial<Options> = {}): Options {
  const resolved: Record<string, number> = {}
  for (const [name, { value }] of Object.entries(OPTIONS)) resolved[name] = value
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(OPTIONS, name)) throw new OptionError(`there is no option '${name}'${suggestion(name)}`)
    const { min, max } = OPTIONS[name as OptionName]
    if (value === undefined) continue
    if (!Number.isInteger(value) || value < min || value > max)
      throw new OptionError(`option ${name} must be a whole number from ${min} to ${max}, not ${String(value)}`)
    resolved[name] = value
  }
  const options = resolved as Options
  if (options.ticketTtlMs >= options.dedupeTtlMs)
    throw new OptionError('option ticketTtlMs must be below dedupeTtlMs: a resumed session must still find its sequence numbers')
  if (options.gossipProbeTimeoutMs > options.gossipPeriodMs / 2)
    throw new OptionError('option gossipProbeTimeoutMs must be at most half of gossipPeriodMs: the other half is for asking others')
  if (options.outboxSoftBytes >= options.outboxBytes) throw new OptionError('option outboxSoftBytes must be below outboxBytes')
  return Object.freeze(options)
}

function suggestion(name: string): string {
  const close = Object.keys(OPTIONS).find((known) => known.toLowerCase().startsWith(name.toLowerCase().slice(0, 5)))
  return close === undefined ? '; docs/options.md lists them' : `; did you mean '${close}'?`
}
