/** GET /troupe-client.js: the SDK as one module for the page. Built by `npm run build:client`; in a checkout without it, made on the first call. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Hono } from 'hono'

const BUILT = fileURLToPath(new URL('../../../dist/client.bundle.js', import.meta.url))
const ENTRY = fileURLToPath(new URL('../../../src/client/index.ts', import.meta.url))

export function pageRoutes(http: Hono): void {
  let bundle: Promise<string> | null = null
  http.get('/troupe-client.js', async (c) => {
    try {
      bundle ??= load()
      return c.body(await bundle, 200, { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'no-cache' })
    } catch (error) {
      bundle = null
      console.error('the client SDK could not be bundled:', error)
      return c.text('run `npm run build:client` first', 500)
    }
  })
}

async function load(): Promise<string> {
  try {
    return await readFile(BUILT, 'utf8')
  } catch {
    const { build } = await import('esbuild')
    const { outputFiles } = await build({ entryPoints: [ENTRY], bundle: true, format: 'esm', target: 'es2022', minify: true, write: false })
    return outputFiles[0]?.text ?? ''
  }
}
