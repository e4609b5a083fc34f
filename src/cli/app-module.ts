/**
 * Loading an app module. Node strips the types itself. One process runs one copy of Troupe: whatever asks for `troupe`,
 * `troupe/client` gets the copy that this command belongs to, also in a folder where nothing is installed.
 */
import { existsSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { basename, dirname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { App } from '../actors/define.ts'
import { failed, lineOf, type CliError } from './failure.ts'

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const OWN: ReadonlyMap<string, string> = new Map([
  ['troupe', new URL(`../index.${EXTENSION}`, import.meta.url).href],
  ['troupe/client', new URL(`../client/index.${EXTENSION}`, import.meta.url).href],
  ['troupe/testing', new URL(`../testing.${EXTENSION}`, import.meta.url).href],
])

export interface LoadedApp {
  readonly app: App
  readonly path: string
  readonly dir: string
}

export function appPath(given: string): string {
  const path = resolve(given)
  if (!existsSync(path)) throw failed(`there is no app module ${path}`)
  return path
}

/** Rejects with a CliError that names the module and, where it can, the line. */
export async function loadApp(path: string): Promise<LoadedApp> {
  const { default: app } = await loadModule(path)
  if ((app as Partial<App> | undefined)?.troupe !== 'app') throw failed(`${path} does not 'export default app({ actors: … })'`)
  return { app: app as App, path, dir: dirname(path) }
}

/** What a module exports; rejects as `loadApp` does. */
export async function loadModule(path: string): Promise<Readonly<Record<string, unknown>>> {
  registerHooks({
    resolve: (specifier, context, next) => {
      const own = OWN.get(specifier)
      return own === undefined ? next(specifier, context) : { url: own, shortCircuit: true }
    },
  })
  try {
    return (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>
  } catch (error) {
    throw broken(path, error)
  }
}

function broken(path: string, error: unknown): CliError {
  const where = placeOf(error, dirname(path))
  const kind = error instanceof Error && error.name !== 'Error' ? `${error.name}: ` : ''
  return failed(`${basename(path)} does not load: ${kind}${lineOf(error)}${where === null ? '' : ` (${where})`}`, error)
}

/** First place in the app's folder that the stack names, relative to it; else the first place at all. */
function placeOf(error: unknown, dir: string): string | null {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  let first: string | null = null
  for (const [, url, rest] of stack.matchAll(/(file:\/\/[^\s)]+?)(:\d+(?::\d+)?)(?=[\s)]|$)/g)) {
    const file = fileURLToPath(url as string)
    if (file.startsWith(`${dir}/`) && !file.includes('/node_modules/')) return `${file.slice(dir.length + 1)}${rest}`
    first ??= `${file}${rest}`
  }
  return first
}
