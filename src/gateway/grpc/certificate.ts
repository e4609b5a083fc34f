/** TLS of the rpc port, and which service a client certificate is for. */
import { ServerCredentials } from '@grpc/grpc-js'
import type { PeerCertificate } from 'node:tls'
import { alternativeNames } from '../../base/alternative-names.ts'

export interface RpcTls {
  /** PEM texts. */
  readonly cert: string
  readonly key: string
  /** The authority whose client certificates are taken; without it callers show tokens. */
  readonly ca?: string
}

/** Throws what node:tls throws of a certificate or key that does not work. */
export function rpcCredentials(tls: RpcTls | null, handshakeMs: number): ServerCredentials {
  if (tls === null) return ServerCredentials.createInsecure()
  const { cert, key, ca } = tls
  const credentials = ServerCredentials.createSsl(
    ca === undefined ? null : Buffer.from(ca),
    [{ cert_chain: Buffer.from(cert), private_key: Buffer.from(key) }],
    ca !== undefined,
  )
  // A caller without a certificate, or with one of another authority, may still show a token: the connection is made, and each call judged.
  Object.assign(credentials._getConstructorOptions() ?? {}, { rejectUnauthorized: false, handshakeTimeout: handshakeMs })
  return credentials
}

const URI = /^(?:troupe:)?service:(.+)$/

/** Subject alternative name URI:troupe:service:NAME, else the common name, else the first DNS name. */
export function serviceName({ subject, subjectaltname }: Pick<PeerCertificate, 'subject' | 'subjectaltname'>): string | null {
  const names = alternativeNames(subjectaltname ?? '')
  for (const [type, value] of names) {
    const uri = type === 'URI' ? URI.exec(value) : null
    if (uri !== null) return uri[1] ?? null
  }
  const CN: unknown = subject?.CN
  if (typeof CN === 'string' && CN !== '') return CN
  return names.find(([type, value]) => type === 'DNS' && value !== '')?.[1] ?? null
}
