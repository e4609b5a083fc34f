/**
 * Guards promises 1 (acknowledged means kept) and 4 (everybody ends at the last state) from outside: a real node, killed with
 * SIGKILL in the middle of the traffic and started again on its store, and the simulator's audit and feeds afterwards.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { freePort } from '../../../test/support/ports.ts'
import { secretOf } from '../config.ts'
import { FULL, simulate, tableOf } from '../simulator.ts'
import { audit } from '../simulator/audit.ts'
import { Http } from '../simulator/http.ts'
import { Items, PROVIDER } from '../simulator/items.ts'
import { ACKED, Ledger } from '../simulator/ledger.ts'
import { startProcess } from '../simulator/node-process.ts'
import { enter, type Person } from '../simulator/people.ts'
import { newProbed } from '../simulator/faults.ts'
import { Tally } from '../simulator/tally.ts'
import { Tokens } from '../tokens.ts'
import { startService, tokens } from './service.ts'

let dir = ''
afterEach(() => {
  if (dir !== '') rmSync(dir, { recursive: true, force: true })
})

test('the node is killed in the middle of it, twice: nothing acknowledged is lost or there twice, no feed missed anything', async () => {
  dir = mkdtempSync(join(tmpdir(), 'notes-'))
  const node = await startProcess({ dir, port: await freePort(), adminPort: 0, env: { NOTES_SCRYPT_LN: '4' } })
  let kills = 0
  const live = async (): Promise<void> => {
    await node.killAndRestart()
    kills++
    await node.killAndRestart()
    kills++
  }
  let killing: Promise<void> = Promise.resolve()
  const sizes = {
    users: 12,
    notes: 1200,
    rate: 100,
    clients: 6,
    pageRate: 30,
    sockets: 5,
    addRate: 20,
    durationS: 5,
    patienceS: 60,
    seed: 1,
    audit: true,
    early: false,
    strict: false,
  }
  const options = { ...sizes, urls: [node.url], providerToken: new Tokens(secretOf(dir)).provider(PROVIDER), run: 'test' }
  try {
    const report = await simulate(options, { live: () => void (killing = live()) })
    await killing
    expect(report, tableOf(report)).toMatchObject({
      ok: true,
      failures: {},
      audit: { lost: 0, duplicated: 0, misplaced: 0, altered: 0, revived: 0 },
    })
    expect(report.feeds).toMatchObject({ missed: 0, duplicated: 0, gaps: 0 })
    expect(report.provided.acknowledged).toBeGreaterThanOrEqual(sizes.rate * sizes.durationS)
    expect(report.audit?.acknowledged).toBeGreaterThan(sizes.notes)
    expect(kills).toBe(2)
  } finally {
    await killing
    await node.stop()
  }
}, 240_000)

test('early: traffic goes on while users still register, and what there was no user for yet is not missed', async () => {
  const service = await startService()
  // Between simulator and node: the last user is let in only when a provider has come, and the traffic ends when that user is in.
  const provided = Promise.withResolvers<void>()
  const over = new AbortController()
  const between = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts)
      if (request.url?.startsWith('/provider/')) provided.resolve()
      void (body.includes('"sim-5"') ? provided.promise : Promise.resolve()).then(async () => {
        const { method = 'GET', url = '', headers } = request
        const { authorization, 'content-type': type } = headers
        const more = { ...(authorization !== undefined && { authorization }), ...(type !== undefined && { 'content-type': type }) }
        const answer = await fetch(`${service.url}${url}`, { method, headers: more, ...(body.length > 0 && { body }) })
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text(), () => {
          if (body.includes('"sim-5"')) over.abort()
        })
      })
    })
  })
  await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(between.address() as AddressInfo).port}`
  const sizes = { users: 6, notes: 0, rate: 50, clients: 2, pageRate: 20, sockets: 0, addRate: 1, durationS: 60, patienceS: 60, seed: 1 }
  const options = { ...sizes, audit: true, early: true, strict: true, urls: [url], providerToken: tokens.provider(PROVIDER), run: 'early' }
  try {
    const report = await simulate(options, { signal: over.signal })
    expect(report, tableOf(report)).toMatchObject({ ok: true, failures: {}, audit: { users: 6, lost: 0, misplaced: 0 } })
    expect(report.operations.register?.count).toBe(6)
    expect(report.provided.acknowledged).toBeGreaterThan(0)
  } finally {
    between.close()
    between.closeAllConnections()
    await service.node.stop()
  }
}, 240_000)

describe('the audit itself', () => {
  test('finds what is lost, twice there, at the wrong user, altered', async () => {
    const service = await startService()
    const tally = new Tally()
    const http = new Http([service.url], { sockets: 8, patienceS: 5, tally })
    try {
      const all: (Person | undefined)[] = Array.from({ length: 3 })
      await enter(all, http, tally, 'run', () => false)
      const items = new Items('run', 3, 6) // items 0 and 1 are user 0's, 2 and 3 user 1's …
      const provided = new Ledger()
      for (let item = 0; item < 6; item++) provided.set(item, ACKED)
      const give = (item: number, user: number, title = items.title(item)): object => ({ ...items.make(item, all[user]?.uid ?? ''), title })
      const body = [give(1, 0), give(2, 1), give(2, 0), give(3, 2), give(4, 2, 'other'), give(5, 2)]
      expect(await http.call('POST', `/provider/${PROVIDER}/items`, { token: tokens.provider(PROVIDER), body })).toMatchObject(
        body.map(() => ({ ok: true })),
      )
      const report = await audit(
        { http, people: all, items, provided, added: new Ledger(), probed: newProbed(), sockets: 0 },
        () => undefined,
      )
      expect(report).toMatchObject({ lost: 1, duplicated: 1, misplaced: 2, altered: 1, notesRead: 6, samples: { lost: ['run-0'] } })
    } finally {
      http.close()
      await service.node.stop()
    }
  })

  test('the full size is PRODUCT’s', () => {
    expect(FULL).toMatchObject({ users: 10_000, notes: 1_000_000, rate: 1000, clients: 1000, audit: true })
  })
})
