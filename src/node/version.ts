/** The version in package.json, which lies above both src/ and dist/. */
import { readFileSync } from 'node:fs'

export function troupeVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
