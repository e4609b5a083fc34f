/** The SDK in a real browser: the bundle, loaded by a page in headless Chromium, over real sockets. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type * as Sdk from '../../src/client/index.ts'
import { wireServer, type WireServer } from './wire-server.ts'

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const FLAGS =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'
const PAGE = '<!doctype html><title>SDK</title><script type="module">import * as sdk from "/sdk.js"; window.sdk = sdk</script>'

/** What the page's script puts there. */
interface InPage {
  readonly sdk: typeof Sdk
  c: Sdk.Client
  heard: unknown[]
  states: string[]
}
declare const window: InPage & Window

/** A bound for what must happen, not a wait. */
const PATIENT = { timeout: 30_000 }

const there = existsSync(CHROMIUM)
if (!there) console.log(`skipped: there is no ${CHROMIUM}; set CHROMIUM to a browser's path`)

describe.skipIf(!there)('in Chromium', () => {
  let server: WireServer
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL('../../src/client/index.ts', import.meta.url))],
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      write: false,
    })
    server = await wireServer({
      '/': { type: 'text/html', body: PAGE },
      '/sdk.js': { type: 'text/javascript', body: outputFiles[0]?.contents as Uint8Array },
    })
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS.split(' ') })
    page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${server.port}/`)
    await page.waitForFunction(() => window.sdk !== undefined)
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })

  it('connects relative to the page, sends, and gets typed errors', async () => {
    const result = await page.evaluate(async () => {
      window.heard = []
      window.states = []
      const c = (window.c = window.sdk.connect('/', { token: () => Promise.resolve('token'), device: 'browser' }))
      c.on('state', (state) => window.states.push(state))
      c.actor().subscribe('feed', (note) => window.heard.push(note.data), { from: 'start' })
      const sent = await c.actor().send('a', { text: 'häßlich 🎭' })
      const refused = await c
        .actor('user/alice')
        .send('refuse')
        .catch((error: Sdk.TroupeError) => [error instanceof window.sdk.TroupeError, error.code, error.reason])
      return { sent, refused, count: (await c.actor().query('count')) as number }
    })
    expect(result).toEqual({ sent: { offset: 1, durable: true, duplicate: false }, refused: [true, 'refused', 'full'], count: 1 })
    await page.waitForFunction(() => window.heard.length === 1)
    expect(await page.evaluate(() => window.heard)).toEqual([{ text: 'häßlich 🎭' }])
  })

  it('resumes after a cut connection: nothing lost, nothing twice', async () => {
    let answers = 0
    server.model.replyHoldMs = () => (answers++ === 0 ? 3_600_000 : 0)
    const sent = page.evaluate(() => window.c.actor().send('a', 'cut'))
    await expect.poll(() => server.model.actor('user/alice').entries.length, PATIENT).toBe(2)
    server.model.socket.cut()
    server.model.append('user/alice', 'a', 'meanwhile')
    expect(await sent).toEqual({ offset: 2, durable: true, duplicate: true })
    await page.waitForFunction(() => window.heard.length >= 3)
    expect(await page.evaluate(() => window.heard.slice(1))).toEqual(['cut', 'meanwhile'])
    expect(await page.evaluate(() => window.states)).toEqual(['open', 'resuming', 'open'])
    expect(server.model.of('connect').at(-1)).toMatchObject({ ticket: 'ticket:s1', device: 'browser' })
  })

  it('moves to a second connection on a drain hint without being without one', async () => {
    const before = server.model.opened.length
    const old = server.model.socket
    old.toClient({ t: 'hint', kind: 'drain', inMs: 0, spreadMs: 10 })
    await expect.poll(() => old.gone, PATIENT).toBe(true)
    expect(server.model.opened.length).toBe(before + 1)
    server.model.append('user/alice', 'a', 'after')
    await page.waitForFunction(() => window.heard.includes('after'))
    expect(await page.evaluate(() => window.states)).toEqual(['open', 'resuming', 'open'])
  })

  it('stays away after a code that says so', async () => {
    server.model.socket.bye(3503, false)
    await page.waitForFunction(() => window.c.state === 'closed')
    expect(
      await page.evaluate(() =>
        window.c
          .actor()
          .send('a')
          .catch((error: Sdk.TroupeError) => error.code),
      ),
    ).toBe('denied')
  })
})
