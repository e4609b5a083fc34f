/** A line that a node logged as JSON, for a person who watches several: nodes log so because their standard error is no terminal. */
import { styleText } from 'node:util'

const LEVELS: Readonly<Record<number, readonly [name: string, colour: 'dim' | 'yellow' | 'red']>> = {
  30: ['info', 'dim'],
  40: ['warn', 'yellow'],
  50: ['error', 'red'],
}

/** As it is, if it is something else. */
export function readable(line: string): string {
  if (!line.startsWith('{"level":')) return line
  let fields: Record<string, unknown>
  try {
    fields = JSON.parse(line) as Record<string, unknown>
  } catch {
    return line
  }
  const { level, time, node: _, msg, ...rest } = fields
  const [name, colour] = LEVELS[Number(level)] ?? ['log', 'dim']
  const at = typeof time === 'number' ? `${new Date(time).toISOString().slice(11, 23)} ` : ''
  const more = Object.entries(rest)
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('')
  return styleText(colour, `${at}${name} ${String(msg)}${more}`, { stream: process.stderr })
}
