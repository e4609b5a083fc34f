/**
 * Static files of the app at `/` of the client port. Only what is really inside the folder (links are followed first, then judged), no
 * names that begin with a dot or are empty, `index.html` for folders, and a validator so that browsers keep what did not change (RFC 9110 §13).
 */
import { createReadStream, type Stats } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'
import { Readable } from 'node:stream'

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.gif': 'image/gif',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.xml': 'application/xml',
}

export interface FileRequest {
  readonly method: string
  /** As sent, still percent-encoded, without the query. */
  readonly path: string
  readonly ifNoneMatch: string | undefined
}

/** The file, or null when there is none. */
export async function serveFile(folder: string, { method, path, ifNoneMatch }: FileRequest): Promise<Response | null> {
  const file = await fileAt(folder, path)
  if (file === null) return null
  const etag = `W/"${file.stats.size.toString(36)}-${Math.floor(file.stats.mtimeMs).toString(36)}"`
  const headers: Record<string, string> = {
    'cache-control': 'no-cache',
    'content-type': TYPES[extname(file.name).toLowerCase()] ?? 'application/octet-stream',
    etag,
    'x-content-type-options': 'nosniff',
  }
  if (ifNoneMatch?.split(/, */).includes(etag) === true) return new Response(null, { status: 304, headers })
  headers['content-length'] = String(file.stats.size)
  if (method === 'HEAD') return new Response(null, { headers })
  // A file that is cut short while it is read must not send more than was promised.
  const body = file.stats.size === 0 ? null : createReadStream(file.name, { end: file.stats.size - 1 })
  return new Response(body === null ? null : (Readable.toWeb(body) as ReadableStream<Uint8Array>), { headers })
}

async function fileAt(folder: string, path: string): Promise<{ readonly name: string; readonly stats: Stats } | null> {
  const parts = partsOf(path)
  if (parts === null) return null
  try {
    const root = await realpath(folder)
    const name = await realpath(join(root, ...parts))
    if (name !== root && !name.startsWith(root + sep)) return null
    const stats = await stat(name)
    if (stats.isFile()) return { name, stats }
    if (!stats.isDirectory()) return null
    const index = await realpath(join(name, 'index.html'))
    if (!index.startsWith(root + sep)) return null
    const indexStats = await stat(index)
    return indexStats.isFile() ? { name: index, stats: indexStats } : null
  } catch {
    return null
  }
}

function partsOf(path: string): string[] | null {
  const parts: string[] = []
  const all = path.split('/')
  for (const [at, encoded] of all.entries()) {
    let part: string
    try {
      part = decodeURIComponent(encoded)
    } catch {
      return null
    }
    // `//a` would be the same file as `/a` under another name, which the app's own guards do not know.
    if (part === '' && at > 0 && at < all.length - 1) return null
    if (part === '') continue
    if (part.startsWith('.') || ['/', '\\', '\u0000'].some((unit) => part.includes(unit))) return null
    parts.push(part)
  }
  return parts
}
