/**
 * The config file: JSON, keys are the long flags in camelCase. Flags win over TROUPE_* variables, those over this file,
 * this file over defaults. A key that no command knows is an error, not a surprise.
 */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command, Option } from 'commander'
import { editDistance } from '../base/nearest.ts'
import { lineOf, misused } from './failure.ts'

const CONFIG_FILE = 'troupe.config.json'

/** Reads the file that --config names, or troupe.config.json in the working directory if it is there, into `command`'s options. */
export function applyConfig(command: Command, program: Command): void {
  const named = command.getOptionValue('config') as string | undefined
  const file = resolve(named ?? CONFIG_FILE)
  if (named === undefined && !existsSync(file)) return
  const config = read(file)
  const known = new Map<string, Option>()
  for (const each of program.commands) for (const option of each.options) known.set(option.attributeName(), option)
  for (const unreadable of ['config', 'help', 'version']) known.delete(unreadable)
  for (const [key, value] of Object.entries(config)) {
    if (!known.has(key)) throw misused(`${file}: there is no key '${key}'${suggestion(key, known)}`)
    const option = command.options.find((own) => own.attributeName() === key)
    if (option === undefined) continue
    const source = command.getOptionValueSource(key)
    if (source !== undefined && source !== 'default') continue
    command.setOptionValueWithSource(key, parsed(file, option, key, value), 'config')
  }
}

function read(file: string): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw misused(`cannot read the config file ${file}: ${lineOf(error)}`)
  }
  try {
    const config = JSON.parse(text) as unknown
    if (typeof config === 'object' && config !== null && !Array.isArray(config)) return config as Record<string, unknown>
  } catch (error) {
    throw misused(`the config file ${file} is not JSON: ${lineOf(error)}`)
  }
  throw misused(`the config file ${file} must be a JSON object`)
}

function parsed(file: string, option: Option, key: string, value: unknown): unknown {
  try {
    if (option.isBoolean()) {
      if (typeof value === 'boolean') return value
      throw misused(`${key} is true or false`)
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      if (key !== 'option') throw misused(`${key} is a text or a number`)
      // { "option": { "idleMs": 5000 } } is --option idleMs=5000
      let all: unknown
      for (const [name, each] of Object.entries(value)) all = option.parseArg?.(`${name}=${String(each)}`, all)
      return all
    }
    const text = Array.isArray(value) ? value.join(',') : String(value)
    return option.parseArg === undefined ? text : option.parseArg(text, undefined as never)
  } catch (error) {
    throw misused(`${file}: ${lineOf(error)}`)
  }
}

function suggestion(key: string, known: ReadonlyMap<string, unknown>): string {
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z]/g, '')
  const near = [...known.keys()]
    .map((name) => ({ name, distance: editDistance(plain(name), plain(key)) }))
    .toSorted((a, b) => a.distance - b.distance)[0]
  return near === undefined || near.distance > 2 ? '' : `; did you mean '${near.name}'?`
}
