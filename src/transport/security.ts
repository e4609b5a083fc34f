/**
 * How a node knows that another is a member: one way for the whole cluster, chosen by what the nodes are given.
 *
 *   given          proof of the other end                                           on the wire
 *   a secret       it knows the secret (proof.ts)                                   plain
 *   certificates   its certificate, of the cluster's authority, names its id        TLS
 *   both           it knows the secret; certificates only encrypt, so that callers
 *                  without one can use the port too                                 TLS
 *   neither        it is on this machine                                            plain
 */
import { createSecureContext, type SecureContext } from 'node:tls'
import { OptionError } from '../options.ts'
import { namesNode, type NamingCertificate } from './certificate.ts'
import type { Side } from './proof.ts'

export interface ClusterTls {
  /** PEM: the authority that made the nodes' certificates, this node's certificate with its chain, its key. */
  readonly ca: Buffer
  readonly cert: Buffer
  readonly key: Buffer
}

export interface ClusterSecurity {
  /** The first is shown to others, all are taken: a secret is changed by adding the new one second everywhere, then moving it to the front. */
  readonly secrets: readonly Uint8Array[]
  readonly tls: ClusterTls | null
}

/** What is known of the other end below the frames. */
export interface Evidence {
  readonly loopback: boolean
  /** It was made by the cluster's authority. */
  readonly certificate: NamingCertificate | null
  /** The certificate is for the host that was dialled. */
  readonly hostMatches: boolean
}

const SECRET_BYTES_MIN = 16

/** A secret file: one secret on each line that is not empty; throws OptionError when there is none or one is short. */
export function readSecrets(text: string, name: string): Uint8Array[] {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  if (lines.length === 0) throw new OptionError(`${name} is empty: it must hold the cluster's secret, as from: openssl rand -base64 32`)
  const secrets = lines.map((line) => Buffer.from(line, 'utf8'))
  if (secrets.some((secret) => secret.length < SECRET_BYTES_MIN))
    throw new OptionError(`${name}: a secret has at least ${SECRET_BYTES_MIN} bytes; make one with: openssl rand -base64 32`)
  return secrets
}

/** Before anything listens. Throws OptionError when others could reach the port and nothing would tell members from strangers. */
export function checkSecurity({ secrets, tls }: ClusterSecurity, listenHost: string): void {
  if (secrets.some((secret) => secret.length < SECRET_BYTES_MIN))
    throw new OptionError(`the cluster's secret has at least ${SECRET_BYTES_MIN} bytes; make one with: openssl rand -base64 32`)
  if (secrets.length > 0 || tls !== null || isLoopbackHost(listenHost)) return
  throw new OptionError(
    `the rpc port on ${listenHost === '' ? 'every address' : listenHost} is open to others: give all nodes the same --secret-file, or TLS certificates, or listen on 127.0.0.1`,
  )
}

/** What this node dials with; read once, so that files that are no certificates stop the start. Throws OptionError. */
export function dialContext(tls: ClusterTls | null): SecureContext | null {
  if (tls === null) return null
  try {
    return createSecureContext({ ca: tls.ca, cert: tls.cert, key: tls.key })
  } catch (error) {
    throw new OptionError(`the cluster's certificates cannot be used: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Why the node with that id is not let in, or null: its proof of the secret is still to come, if there is one. */
export function objection({ secrets, tls }: ClusterSecurity, evidence: Evidence, side: Side, id: string): string | null {
  const { certificate, hostMatches, loopback } = evidence
  const named = certificate !== null && namesNode(certificate, id)
  if (secrets.length > 0) {
    // A listener's certificate must be for its host or its id, or anybody with one of that authority could stand between.
    if (tls === null || side === 'listener' || named || hostMatches) return null
    return `its certificate is neither for the address dialled nor for the node ${id}`
  }
  if (tls !== null) {
    if (named) return null
    return certificate === null
      ? 'it showed no certificate of this cluster'
      : `its certificate does not name it: it needs the subject alternative name DNS:${id} or URI:troupe:node:${id}`
  }
  if (loopback) return null
  return 'it is on another machine and this cluster has neither a secret nor certificates: give all nodes the same --secret-file, or TLS'
}

/** As people write it, or as a socket says it. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127(\.\d{1,3}){3}$/i.test(host)
}

/** `127.0.0.1:7100`, `::1:7100`, `[::1]:7100`, as grpc-js names the other end. */
export function isLoopbackPeer(peer: string): boolean {
  const host = peer.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  return isLoopbackHost(host)
}
