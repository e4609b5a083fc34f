/** Which node a certificate is for. */
import { alternativeNames } from '../base/alternative-names.ts'

/** The fields of node:tls PeerCertificate that count. */
export interface NamingCertificate {
  readonly subject?: { readonly CN?: string | string[] | undefined } | undefined
  readonly subjectaltname?: string | undefined
}

const URI_PREFIX = 'troupe:node:'

/** Subject alternative names DNS:ID and URI:troupe:node:ID, and the common name. A list that cannot be read names nobody. */
export function namesNode(certificate: NamingCertificate, id: string): boolean {
  const { CN } = certificate.subject ?? {}
  if (CN === id) return true
  return alternativeNames(certificate.subjectaltname ?? '').some(
    ([type, value]) => (type === 'DNS' && value === id) || (type === 'URI' && value === URI_PREFIX + id),
  )
}
