/** Which node a certificate is for. */

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

/**
 * Node's text form: `DNS:a, URI:b, DNS:"with, a comma"`; values with special characters are JSON strings, so that a name cannot
 * pretend to be two (CVE-2021-44532).
 */
function alternativeNames(text: string): [type: string, value: string][] {
  const names: [string, string][] = []
  const entry = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y
  while (entry.lastIndex < text.length) {
    const found = entry.exec(text)
    if (found === null) return []
    const [, type = '', value = ''] = found
    names.push([type, value.startsWith('"') ? unquoted(value) : value])
  }
  return names
}

function unquoted(value: string): string {
  try {
    return String(JSON.parse(value))
  } catch {
    return ''
  }
}
