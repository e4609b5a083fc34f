/** What programs that embed a node import: the stores, each apart, so that nobody loads a driver that he does not use. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { actor, app } from '../../src/actors/define.ts'
import { silentLog } from '../../src/base/log.ts'
import { connect } from '../../src/client/index.ts'
import { mongodbStore, StoreError as FromMongodb } from '../../src/mongodb.ts'
import { startNode } from '../../src/node.ts'
import { sqliteStore, StoreError } from '../../src/sqlite.ts'
import { MongoServer } from '../support/mongo-server.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

test('every way into the package has its source', () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, { default: string } | string>
  }
  expect(Object.keys(exports)).toEqual(
    expect.arrayContaining(['.', './mongodb', './sqlite', './client', './client.bundle.js', './testing']),
  )
  for (const [name, entry] of Object.entries(exports)) {
    // What is bundled is no file of the sources: its script says from which it is made.
    if (typeof entry === 'string' || name === './client.bundle.js') continue
    const source = entry.default.replace(/^\.\/dist\/(.*)\.js$/, 'src/$1.ts')
    expect([source, existsSync(join(ROOT, source))]).toEqual([source, true])
  }
})

test('npm asks nobody who installs the package to approve a script of it', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) expect(scripts).not.toHaveProperty(name)
  // In a checkout after `npm ci` (for `npx troupe`), and before it is packed.
  expect([scripts['dependencies'], scripts['prepack']]).toEqual(['npm run build', 'npm run build'])
  expect(scripts['build:client']).toContain('src/client/index.ts --bundle')
  expect(scripts['build:client']).toContain('--outfile=dist/client.bundle.js')
})

test.each([
  ['index.ts', []],
  ['mongodb.ts', ['mongodb']],
  ['sqlite.ts', ['better-sqlite3']],
])('src/%s loads of the drivers %j', (entry, drivers) => {
  const look = `await import('./src/${entry}'); const { Module } = await import('node:module')
    const loaded = (name) => Object.keys(Module._cache).some((file) => file.includes('/node_modules/' + name + '/'))
    console.log(JSON.stringify(['mongodb', 'better-sqlite3'].filter(loaded)))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', look], { cwd: ROOT, encoding: 'utf8' })
  expect([stdout.trim(), stderr]).toEqual([JSON.stringify(drivers), ''])
})

test('a program opens the store, starts a node on it, and the node closes it', async () => {
  const server = await MongoServer.start()
  const counter = actor('counter', { state: () => ({ n: 0 }), events: { add: { reduce: (state) => ({ n: state.n + 1 }) } } })
  const store = await mongodbStore({ url: server.url(), limits: { poolSize: 5 } }, { log: silentLog })
  const node = await startNode({
    app: app({ actors: { counter }, authorize: () => true }),
    store,
    listen: '127.0.0.1:0',
    adminListen: null,
    devTokens: true,
    log: silentLog,
  })
  const client = connect(node.clientUrl as string, { token: 'dev:me' })
  await client.actor('counter/a').send('add')
  client.close()
  await node.stop()
  expect(server.data.find('troupe.batches', { filter: { a: 'counter/a' } })).toHaveLength(1)
  await expect(store.load('counter/a')).rejects.toMatchObject({ name: 'StoreError', reason: 'closed' })
  await server.close()
})

test('what a wrong option or place gives is one class, whichever store it comes from', async () => {
  expect(FromMongodb).toBe(StoreError)
  await expect(mongodbStore({ url: 'mongodb://127.0.0.1/', limits: { poolSize: 0 } })).rejects.toBeInstanceOf(StoreError)
  await expect(sqliteStore({ dir: '/dev/null/troupe' })).rejects.toBeInstanceOf(StoreError)
})
