/**
 * Tells when a source file below a folder changes. node_modules, hidden folders and the folders given are not looked into:
 * one watch a directory, at most DIRECTORIES_MAX. Changes that come together are told once.
 */
import { type FSWatcher, readdirSync, watch } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import type { Clock, Timer } from '../base/clock.ts'

const DIRECTORIES_MAX = 2000
const TOGETHER_MS = 60
const SOURCE = /\.(?:[cm]?[jt]s|json)$/

export interface SourceWatch {
  /** Folders not to look into, from now on; absolute. */
  ignore(folders: readonly string[]): void
  close(): void
}

export function watchSources(root: string, clock: Clock, changed: (file: string) => void): SourceWatch {
  const watchers = new Map<string, FSWatcher>()
  let ignored: readonly string[] = []
  let pending: Timer | null = null

  const skips = (dir: string): boolean => ignored.some((folder) => dir === folder || dir.startsWith(`${folder}/`))
  const add = (dir: string): void => {
    if (watchers.has(dir) || watchers.size >= DIRECTORIES_MAX || skips(dir)) return
    try {
      const watcher = watch(dir, (_, name) => seen(dir, name))
      watcher.on('error', () => drop(dir))
      watchers.set(dir, watcher)
      for (const entry of readdirSync(dir, { withFileTypes: true }))
        if (entry.isDirectory() && entry.name !== 'node_modules' && !entry.name.startsWith('.')) add(join(dir, entry.name))
    } catch {
      // It went away meanwhile; its parent tells if it comes back.
      drop(dir)
    }
  }
  const drop = (dir: string): void => {
    watchers.get(dir)?.close()
    watchers.delete(dir)
  }
  const seen = (dir: string, name: string | null): void => {
    if (name === null || name.startsWith('.') || skips(dir)) return
    const path = join(dir, name)
    if (!SOURCE.test(name)) {
      if (name !== 'node_modules' && isDirectory(path)) add(path)
      return
    }
    pending?.cancel()
    pending = clock.after(TOGETHER_MS, () => changed(relative(root, path)))
  }

  add(resolve(root))
  return {
    ignore: (folders) => {
      ignored = folders.map((folder) => resolve(folder))
      for (const dir of watchers.keys()) if (skips(dir)) drop(dir)
    },
    close: () => {
      pending?.cancel()
      for (const dir of watchers.keys()) drop(dir)
    },
  }
}

function isDirectory(path: string): boolean {
  try {
    readdirSync(path)
    return true
  } catch {
    return false
  }
}
