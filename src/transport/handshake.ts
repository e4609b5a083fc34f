/**
 * How two ends of a stream find out who the other is. Sans-IO: frames in, frames and a verdict out.
 *
 *     dialler                                        listener
 *        │ hello: cluster, id, …, nonce                 │
 *        ├─────────────────────────────────────────────▶│ same cluster? a version in common? not itself? a fit certificate?
 *        │                 hello: cluster, id, …, nonce │
 *        │◀─────────────────────────────────────────────┤
 *        │ the same questions                           │
 *        │ proof: HMAC(secret, dialler, both hellos)    │
 *        ├─────────────────────────────────────────────▶│ right? then open
 *        │       proof: HMAC(secret, listener, …)       │
 *        │◀─────────────────────────────────────────────┤
 *        │ right? then open                             │
 *
 * A `no` anywhere is told with `denied: why`, and the stream ends. The dialler proves first: a stranger who connects gets nothing to try
 * guesses of the secret on.
 */
import type { Channel, Peer } from '../cluster/transport.ts'
import type { Control, Frame, Hello } from './frames.ts'
import { prove, provenBy, type Meeting, type Side } from './proof.ts'
import { objection, type ClusterSecurity, type Evidence } from './security.ts'

export const PROTOCOL_VERSION = 1
const PROTOCOL_OLDEST = 1

export interface HandshakeParts {
  readonly side: Side
  readonly channel: Channel
  readonly cluster: string
  readonly self: Peer
  /** 16 bytes, one value for the life of the process. */
  readonly boot: Uint8Array
  /** 32 bytes, new for each handshake. */
  readonly nonce: Uint8Array
  readonly security: ClusterSecurity
  /** Asked once, when the other end has said hello. */
  evidence(): Evidence
}

export type Step =
  | { readonly kind: 'wait'; readonly send: readonly Control[] }
  | { readonly kind: 'open'; readonly send: readonly Control[]; readonly peer: Peer }
  /** `send` is empty when it was the other end that said no. */
  | { readonly kind: 'denied'; readonly send: readonly Control[]; readonly why: string }
  /** What came makes no sense here. */
  | { readonly kind: 'broken'; readonly why: string }

type Phase =
  | { readonly kind: 'hello' }
  | { readonly kind: 'proof'; readonly meeting: Meeting; readonly peer: Peer; readonly shown: Uint8Array | null }
  | { readonly kind: 'over' }

export class Handshake {
  readonly #parts: HandshakeParts
  readonly #own: Hello
  #phase: Phase = { kind: 'hello' }

  constructor(parts: HandshakeParts) {
    this.#parts = parts
    const { cluster, self, boot, nonce } = parts
    this.#own = { version: PROTOCOL_VERSION, oldest: PROTOCOL_OLDEST, cluster, ...self, boot, nonce }
  }

  /** What the dialler begins with. */
  start(): Control[] {
    return this.#parts.side === 'dialler' ? [{ kind: 'hello', hello: this.#own }] : []
  }

  take(frame: Frame): Step {
    const phase = this.#phase
    this.#phase = { kind: 'over' }
    if (phase.kind === 'over') return { kind: 'broken', why: 'a frame after the end of the handshake' }
    if (frame instanceof Uint8Array) return { kind: 'broken', why: 'data before the end of the handshake' }
    switch (frame.kind) {
      case 'ping':
        this.#phase = phase
        return { kind: 'wait', send: [] }
      case 'denied':
        return { kind: 'denied', send: [], why: `the other end says: ${frame.why}` }
      case 'close':
        return { kind: 'broken', why: 'closed before the end of the handshake' }
      case 'malformed':
        return { kind: 'broken', why: frame.why }
      case 'hello':
        return phase.kind === 'hello' ? this.#met(frame.hello) : { kind: 'broken', why: 'a second hello' }
      case 'proof':
        return phase.kind === 'proof' ? this.#proven(phase, frame.mac) : { kind: 'broken', why: 'a proof before the hello' }
    }
  }

  #met(other: Hello): Step {
    const { side, channel, security, self } = this.#parts
    const why = this.#strange(other) ?? objection(security, this.#parts.evidence(), side, other.id)
    if (why !== null) return denial(other, self, why)
    const peer: Peer = { id: other.id, generation: other.generation, address: other.address }
    if (side === 'listener') {
      this.#phase = { kind: 'proof', meeting: { channel, dialler: other, listener: this.#own }, peer, shown: null }
      return { kind: 'wait', send: [{ kind: 'hello', hello: this.#own }] }
    }
    const meeting: Meeting = { channel, dialler: this.#own, listener: other }
    const shown = security.secrets[0] ?? null
    this.#phase = { kind: 'proof', meeting, peer, shown }
    return { kind: 'wait', send: [{ kind: 'proof', mac: proofOf(shown, side, meeting) }] }
  }

  #strange({ version, oldest, cluster, id, boot, generation }: Hello): string | null {
    const { cluster: ours, self, boot: ourBoot } = this.#parts
    if (oldest > PROTOCOL_VERSION || version < PROTOCOL_OLDEST)
      return `it speaks versions ${oldest}–${version} of the cluster protocol, this node ${PROTOCOL_OLDEST}–${PROTOCOL_VERSION}: upgrade one version at a time`
    if (cluster !== ours) return `it belongs to cluster ${JSON.stringify(cluster)}, this node to ${JSON.stringify(ours)}`
    if (Buffer.from(boot).equals(ourBoot)) return 'it is this node itself'
    if (id === self.id)
      return `two processes are named ${id} (generations ${generation} and ${self.generation}): each node needs a --node name of its own`
    return null
  }

  #proven(phase: Phase & { kind: 'proof' }, mac: Uint8Array): Step {
    const { meeting, peer, shown } = phase
    const { side, security, self } = this.#parts
    const other: Side = side === 'dialler' ? 'listener' : 'dialler'
    const secrets = side === 'dialler' ? (shown === null ? [] : [shown]) : security.secrets
    if ((mac.length === 0) !== (secrets.length === 0)) {
      const why = mac.length === 0 ? 'it has no secret and this node has one' : 'it has a secret and this node has none'
      return denial(peer, self, `${why}: give all nodes the same --secret-file`)
    }
    const known = provenBy(secrets, mac, other, meeting)
    if (secrets.length > 0 && known === null)
      return denial(peer, self, `its secret is not the one of this node: give all nodes the same --secret-file`)
    if (side === 'dialler') return { kind: 'open', send: [], peer }
    return { kind: 'open', send: [{ kind: 'proof', mac: proofOf(known, side, meeting) }], peer }
  }
}

function proofOf(secret: Uint8Array | null, side: Side, meeting: Meeting): Uint8Array {
  return secret === null ? new Uint8Array(0) : prove(secret, side, meeting)
}

/** Both ends get a sentence that says which node does not let which one in. */
function denial(other: { readonly id: string }, self: Peer, why: string): Step {
  const sentence = `node ${self.id} does not let node ${other.id} in: ${why}`
  return { kind: 'denied', why: sentence, send: [{ kind: 'denied', why: sentence }] }
}
