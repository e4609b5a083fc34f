/** Checks of a certificate and its key: they parse, belong together, and hold for a while. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { lineOf } from '../failure.ts'
import { fail, ok, warn, type Finding } from './finding.ts'

const DAY_MS = 86_400_000

export function tlsChecks(certFile: string | undefined, keyFile: string | undefined, nowMs: number): Finding[] {
  if (certFile === undefined && keyFile === undefined) return [ok('tls', 'not used')]
  if (certFile === undefined || keyFile === undefined)
    return [fail('tls', 'only one of certificate and key is given', '--tls-cert and --tls-key go together')]
  try {
    return [...certificate(new X509Certificate(readFileSync(certFile)), certFile, nowMs), ...key(certFile, keyFile)]
  } catch (error) {
    return [
      fail('tls certificate', `${certFile}: ${lineOf(error)}`, 'give the PEM file with the whole chain, the server’s certificate first'),
    ]
  }
}

function certificate(cert: X509Certificate, file: string, nowMs: number): Finding[] {
  const from = Date.parse(cert.validFrom)
  const to = Date.parse(cert.validTo)
  const days = Math.floor((to - nowMs) / DAY_MS)
  const found = `${file}: ${cert.subjectAltName ?? cert.subject.replaceAll('\n', ' ')}, until ${new Date(to).toISOString().slice(0, 10)}`
  if (nowMs < from)
    return [
      fail(
        'tls certificate',
        `${found}, valid from ${cert.validFrom}`,
        'it is not valid yet: look at the clock of this machine and at the certificate',
      ),
    ]
  if (days < 0) return [fail('tls certificate', `${found}: expired`, 'renew it')]
  return [
    days < 14
      ? warn('tls certificate', `${found}: ${days} days left`, 'renew it soon')
      : ok('tls certificate', `${found}: ${days} days left`),
  ]
}

function key(certFile: string, keyFile: string): Finding[] {
  try {
    const cert = new X509Certificate(readFileSync(certFile))
    const fits = cert.checkPrivateKey(createPrivateKey(readFileSync(keyFile)))
    return [
      fits
        ? ok('tls key', `${keyFile} belongs to the certificate`)
        : fail('tls key', `${keyFile} is not the key of ${certFile}`, 'give the key that the certificate was made with'),
    ]
  } catch (error) {
    return [fail('tls key', `${keyFile}: ${lineOf(error)}`, 'give an unencrypted PEM private key that this user may read')]
  }
}
