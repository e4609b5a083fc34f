/**
 * Knowing the cluster's secret, shown without sending it: HMAC-SHA-256 under the secret over everything the two ends have said of
 * themselves. Both nonces are in it (an old proof is worth nothing), and the side (a proof sent back to its maker is wrong), and the
 * channel. It proves who opened the stream, and does not protect what follows: whoever can change packets between nodes
 * needs TLS against him.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Channel } from '../cluster/transport.ts'
import type { Hello } from './frames.ts'

export type Side = 'dialler' | 'listener'

export interface Meeting {
  readonly channel: Channel
  readonly dialler: Hello
  readonly listener: Hello
}

export function prove(secret: Uint8Array, side: Side, { channel, dialler, listener }: Meeting): Uint8Array {
  const mac = createHmac('sha256', secret)
  // Each part with its length before it: no two meetings give the same bytes.
  const add = (part: string | number | Uint8Array): void => {
    const bytes = part instanceof Uint8Array ? part : Buffer.from(String(part), 'utf8')
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    mac.update(length).update(bytes)
  }
  for (const part of ['troupe.v1.Cluster', side, channel]) add(part)
  for (const { version, oldest, cluster, id, generation, address, boot, nonce } of [dialler, listener])
    for (const part of [version, oldest, cluster, id, generation, address, boot, nonce]) add(part)
  return mac.digest()
}

/** The first of the secrets that made the proof, or null. Takes as long for a wrong proof as for a right one. */
export function provenBy(secrets: readonly Uint8Array[], proof: Uint8Array, side: Side, meeting: Meeting): Uint8Array | null {
  let found: Uint8Array | null = null
  for (const secret of secrets) {
    const right = prove(secret, side, meeting)
    if (proof.length === right.length && timingSafeEqual(proof, right)) found ??= secret
  }
  return found
}
