/** What is said to somebody who asked an actor for what its type does not have: what it does have. */
import { nearestNames } from '../base/nearest.ts'

export function unknownName(type: string, kind: 'event' | 'query' | 'topic', asked: string, known: ReadonlyMap<string, unknown>): string {
  const names = nearestNames(asked, known.keys())
  return `'${type}' has no ${kind} '${asked}'; ${names === '' ? 'it has none' : `it has ${names}`}`
}
