import { gzipSync } from 'node:zlib'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, it } from 'vitest'

const GZIP_BYTES_MAX = 10 * 1024

/** The contract: no dependencies, at most 10 KB gzipped. */
it('the SDK, bundled and minified, is at most 10 KB gzipped, and bundles nothing from outside', async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL('../../src/client/index.ts', import.meta.url))],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    metafile: true,
  })
  const inputs = Object.keys(metafile.inputs)
  expect(inputs.filter((path) => !/src\/(client|protocol)\/|src\/(errors|base\/backoff)\.ts$/.test(path))).toEqual([])
  const code = outputFiles[0]?.contents as Uint8Array
  const bytes = gzipSync(code, { level: 9 }).length
  console.log(`SDK: ${code.length} bytes minified, ${bytes} gzipped`)
  expect(bytes).toBeLessThanOrEqual(GZIP_BYTES_MAX)
})
