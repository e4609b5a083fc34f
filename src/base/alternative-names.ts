/** The names of a certificate as node:tls writes them (`PeerCertificate.subjectaltname`). */

/**
 * Node's text form: `DNS:a, URI:b, DNS:"with, a comma"`; values with special characters are JSON texts, so that a name cannot pretend to be
 * two (CVE-2021-44532). A list that cannot be read names nobody.
 */
export function alternativeNames(text: string): [type: string, value: string][] {
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
