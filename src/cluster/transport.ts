/**
 * Port: streams of messages between nodes. Adapters: `src/transport/grpc.ts`, and `memory.ts` for tests and the simulator.
 *
 * Duties of an adapter:
 *  T1 A wire delivers whole messages in the order sent, each at most once; one is lost only if the wire ends.
 *  T2 `opened` at most once, then any number of `message`, then `closed` exactly once; nothing after. Never called from inside `dial` or `send`.
 *  T3 The other end is who `opened` says: it proved the cluster's secret or a certificate that names its id, and has the same cluster name.
 *     Another cluster, or a wire to oneself, ends `denied`.
 *  T4 `send` neither blocks nor throws. What is sent before `opened` waits. Over `WIRE_BUFFER_BYTES` waiting the wire ends `overflow`.
 *  T5 The two channels of a pair are separate connections: much data never delays a probe.
 *  T6 A wire is always read (R1). One dead peer never delays another's wire.
 *  T7 A half-open connection is found and ended in `WIRE_IDLE_MS` or sooner.
 */
export type Channel = 'gossip' | 'data'

/** A node at the other end of a wire. */
export interface Peer {
  readonly id: string
  readonly generation: number
  /** HOST:PORT that it says others reach it at. */
  readonly address: string
}

/** refused: nothing listens there (evidence of a crash). unreachable: no answer, no route, no such name. lost: was open, then broke. */
export type WireEnd = 'closed' | 'refused' | 'unreachable' | 'lost' | 'denied' | 'overflow'

export interface WireEvents {
  opened(peer: Peer): void
  /** A window on what was read: who keeps a part of it for long copies that part. */
  message(bytes: Uint8Array): void
  closed(end: WireEnd, why: string): void
}

export interface Wire {
  /** The bytes are the transport's from then on: they are not copied, and must not change. Nothing happens once the wire is closed or over. */
  send(message: Uint8Array): void
  /** What was sent and not yet taken by the connection, with a share for each message. 0 once the wire is over. */
  readonly bufferedBytes: number
  /** Ends it after what was sent; idempotent. No `message` follows; `closed('closed')` does, at both ends. */
  close(): void
}

export interface Transport {
  dial(address: string, channel: Channel, events: WireEvents): Wire
  /**
   * Whom to ask for each wire that another node opens; called before any is taken. It is asked once the other end has said who it is;
   * `opened` follows when that is proven, `closed('denied')` alone when it is not.
   */
  listen(accept: (channel: Channel, wire: Wire) => WireEvents): void
  /** Says from now on that this node is `self` (a new generation after having been declared dead). Open wires are closed. */
  become(self: Peer): void
  close(): Promise<void>
}

export const WIRE_BUFFER_BYTES: number = 64 * 1024 * 1024
export const WIRE_IDLE_MS = 30_000
