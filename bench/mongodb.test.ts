/** Without a server there are no figures, and it says what to do; the protocol server of the tests is never measured. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test, vi } from 'vitest'
import { MongoServer } from '../test/support/mongo-server.ts'
import { findMongod } from '../test/support/mongo-real.ts'
import type { BenchOptions } from './harness/bench.ts'
import { mongodb } from './mongodb.ts'

const options: BenchOptions = {
  quick: true,
  rounds: 1,
  size: 1,
  systems: null,
  profile: null,
  details: false,
  othersMax: Infinity,
  say: () => undefined,
}

afterEach(() => vi.unstubAllEnvs())

test.skipIf(findMongod() !== null)('no server at hand: one line that says what to set, and exit 1', () => {
  const { MONGODB_URL: _, ...env } = process.env
  const run = spawnSync(process.execPath, [fileURLToPath(new URL('run.ts', import.meta.url)), 'mongodb', '--quick'], {
    encoding: 'utf8',
    env,
  })
  expect(run.status).toBe(1)
  expect(run.stderr).toMatch(/^mongodb failed: there is no MongoDB: set MONGODB_URL=/m)
})

test('the protocol server of the tests is refused', async () => {
  const server = await MongoServer.start()
  vi.stubEnv('MONGODB_URL', server.url())
  await expect(mongodb.run(options)).rejects.toMatchObject({
    name: 'Unavailable',
    message: expect.stringContaining('protocol server') as string,
  })
  await server.close()
})

test('a server that does not answer is named as such, without its password', async () => {
  vi.stubEnv('MONGODB_URL', 'mongodb://me:secret@127.0.0.1:1/?replicaSet=rs&serverSelectionTimeoutMS=100')
  const error: unknown = await mongodb.run(options).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ name: 'Unavailable', message: expect.stringContaining('Check MONGODB_URL') as string })
  expect(String(error)).not.toContain('secret')
})
