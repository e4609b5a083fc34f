/** The rpc port over a real engine and store: exactly once through broken streams, and a service in another language. */
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/actors/engine.ts'
import { silentLog } from '../../src/base/log.ts'
import { seeded } from '../../src/base/random.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import { resolveOptions } from '../../src/options.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { counterApp } from '../actors/counter-app.ts'
import { startRig, type Rig } from './rpc-rig.ts'

let engine: Engine
let rig: Rig

beforeEach(async () => {
  engine = createEngine({
    app: counterApp,
    store: memoryStore({ clock: systemClock }),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    options: resolveOptions(),
    node: 'n1',
    generation: 1,
    storeId: 'store-1',
    check: false,
  })
  engine.start()
  rig = await startRig({ calls: engine, userApp: counterApp })
})
afterEach(async () => {
  await rig.stop()
  engine.kill()
})

describe('over a real engine', () => {
  it('a stream that is broken at random, and repeated under the same numbers, applies each event once', async () => {
    const events = 2000
    const random = seeded('broken streams')
    const client = rig.client()
    const answered = new Set<number>()
    let streams = 0
    const oldest = (): number => {
      for (let seq = 1; ; seq++) if (!answered.has(seq)) return seq
    }
    while (answered.size < events) {
      streams++
      const stream = client.sendStream()
      const base = oldest()
      for (let seq = base; seq <= Math.min(events, base + 499); seq++)
        stream.write({ actor: 'counter/a', type: 'add', data: { by: 1 }, source: 's', sequence: seq, base, id: seq })
      const breakAfter = Math.floor(random.float() * 400)
      for (let got = 0; got <= breakAfter && answered.size < events; got++) {
        const { id, error } = await stream.next()
        expect(error).toBeNull()
        answered.add(Number(id))
      }
      // Others are taken, and their replies lost.
      stream.call.cancel()
      await stream.ended
    }
    expect(streams).toBeGreaterThan(3)
    expect(await client.query({ actor: 'counter/a', name: 'value', strict: true })).toMatchObject({ data: events, offset: String(events) })
  })

  it('what a service sends is what it reads back', async () => {
    const client = rig.client()
    const notes = client.subscribe({ actor: 'counter/b', topic: 'value' })
    expect(await notes.next()).toMatchObject({ data: { n: 0 }, offset: '0' })
    expect(await client.send({ actor: 'counter/b', type: 'add', data: { by: 5 } })).toMatchObject({ offset: '1', durable: true })
    expect(await notes.next()).toMatchObject({ data: { n: 5 }, offset: '1' })
    await expect(client.send({ actor: 'counter/b', type: 'throws' })).rejects.toMatchObject({ status: 13, error: { code: 'internal' } })
    await expect(client.send({ actor: 'counter/b', type: 'add', data: 'x'.repeat(300_000) })).rejects.toMatchObject({
      status: 3,
      error: { code: 'too_large' },
    })
    const history = client.history({ actor: 'counter/b' }).read()
    expect(await history.ended).toBeNull()
    expect(history.messages).toMatchObject([{ offset: '1', type: 'add', data: { by: 5 } }])
  })
})

const PYTHON = ['python3', '/usr/bin/python3'].find(
  (python) => spawnSync(python, ['-c', 'import grpc, google.protobuf'], { timeout: 30_000 }).status === 0,
)
if (PYTHON === undefined)
  process.stderr.write(
    'test/rpc/real: skips the Python client, because no python3 with grpcio and protobuf is here (Debian: python3-grpcio)\n',
  )

describe.skipIf(PYTHON === undefined)('a service in Python', () => {
  it('learns the messages by reflection, and does all that a service does', async () => {
    const child = spawn(PYTHON as string, [join(import.meta.dirname, 'client.py'), rig.address], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 50_000,
    })
    let out = ''
    let err = ''
    child.stdout.on('data', (data: Buffer) => (out += data.toString()))
    child.stderr.on('data', (data: Buffer) => (err += data.toString()))
    const code = await new Promise((resolve) => child.once('close', resolve))
    expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' })
    expect(JSON.parse(out)).toEqual({
      services: ['troupe.v1.Actors', 'grpc.health.v1.Health'],
      same: true,
      health: 1,
      list: { '': 1, 'troupe.v1.Actors': 1 },
      send: [1, true, false, 1, true],
      refused: ['FAILED_PRECONDITION', 'no more', 'refused', 'no more', 'full', false, 0],
      hole: ['ABORTED', expect.any(String), 'out_of_order', expect.any(String), '', true, 1],
      invalid: ['INVALID_ARGUMENT', '`data` is not JSON', 'invalid', '`data` is not JSON', '', false, 0],
      begun: [1, 1, true, true],
      replies: true,
      refusals: [[100, 'refused', 'full']],
      notes: true,
      value: [599, 300],
      history: [299, 2, 'add', 300],
    })
  })
})
