/** `dev`: reload on change, state stays, a broken app waits for the next save. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { freePort } from '../support/ports.ts'
import { APP, cleanUp, folder, Running, serving, troupe } from './troupe.ts'

afterAll(cleanUp)

/** On ports that are still free when the next life of the node asks for them. */
async function dev(cwd: string): Promise<Running> {
  const port = await freePort([1, 2])
  const ports = ['listen', 'rpc-listen', 'admin-listen'].flatMap((flag, i) => [`--${flag}`, `127.0.0.1:${port + i}`])
  return new Running(['dev', 'app.ts', ...ports], { cwd })
}

const OTHERS = ['--rpc-listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0']
const count = async (url: string): Promise<string> => (await troupe(['query', 'user/alice', 'count', '--url', url])).out.trim()
const send = (url: string) => troupe(['send', 'user/alice', 'note.added', '{"text":"x"}', '--url', url])

/** The process of the node, which `dev` replaces at each reload. */
function childOf(running: Running): number {
  const all = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
  const pids = all.map((line) => line.trim().split(/\s+/).map(Number))
  const [pid] = pids.find(([, parent]) => parent === running.pid) ?? []
  if (pid === undefined) throw new Error(`${running.pid} has no child`)
  return pid
}

describe('dev', () => {
  test('a saved change is served on the same ports, with the state there was; Ctrl-C ends with 0', async () => {
    const cwd = folder()
    const node = await serving(await dev(cwd))
    expect(await send(node.client)).toMatchObject({ code: 0, out: 'offset 1\n' })
    writeFileSync(join(cwd, 'app.ts'), APP.replace('state.notes }', 'state.notes + 100 }'))
    await node.running.line('err', /^reloading: app\.ts changed$/)
    await node.running.line('out', /^ready$/)
    expect(await count(node.client)).toBe('101')
    node.running.signal('SIGINT')
    expect(await node.running.exit).toBe(0)
  })

  test('a broken app tells its error and is tried again at the next save, at the start and later', async () => {
    const cwd = folder({ 'app.ts': 'export default nonsense' })
    const running = await dev(cwd)
    await running.line('err', /app\.ts does not load: ReferenceError: nonsense is not defined \(app\.ts:1:\d+\)/)
    await running.line('err', /waiting for a change/)
    writeFileSync(join(cwd, 'app.ts'), APP)
    const node = await serving(running)
    expect(await send(node.client)).toMatchObject({ code: 0 })
    writeFileSync(join(cwd, 'app.ts'), 'export default {')
    await running.line('err', /app\.ts does not load: /)
    await running.line('err', /waiting for a change/)
    writeFileSync(join(cwd, 'app.ts'), APP)
    await running.line('out', /^ready$/)
    expect(await count(node.client)).toBe('1')
    running.signal('SIGTERM')
    expect(await running.exit).toBe(0)
  })

  test('a module in a folder made later counts too; the store and static files do not', async () => {
    const cwd = folder({ 'app.ts': APP.replace('app({ actors', "app({ files: 'public', actors") })
    mkdirSync(join(cwd, 'public'))
    const { running, client } = await serving(await dev(cwd))
    writeFileSync(join(cwd, 'public', 'page.js'), '1')
    expect(await send(client)).toMatchObject({ code: 0 })
    mkdirSync(join(cwd, 'lib'))
    writeFileSync(join(cwd, 'app.ts'), `import './lib/part.ts'\n${APP}`)
    // The first change after the start is this one: neither the page nor the store was told as a change.
    await running.line('err', /^reloading: app\.ts changed$/)
    await running.line('err', /does not load: .*part\.ts/)
    writeFileSync(join(cwd, 'lib', 'part.ts'), 'export const part: number = 1')
    await running.line('err', /^reloading: lib\/part\.ts changed$/)
    await running.line('out', /^ready$/)
    running.signal('SIGTERM')
    expect(await running.exit).toBe(0)
    expect(running.err.filter((line) => line.startsWith('reloading'))).toHaveLength(2)
  })

  test('a port in use ends it at once: no change of the app would help', async () => {
    const cwd = folder()
    const { running, client } = await serving(await dev(cwd))
    const second = await troupe(['dev', 'app.ts', '--store', 'memory:', '--listen', new URL(client).host, '--admin-listen', 'none'], {
      cwd,
    })
    expect(second).toMatchObject({ code: 1, out: '', err: expect.stringContaining('the port is in use') as string })
    running.signal('SIGTERM')
    expect(await running.exit).toBe(0)
  })

  test('kill -9 of its pid ends the node too, at once; the next has what was acknowledged, on the same ports', async () => {
    const cwd = folder()
    const { running, client } = await serving(await dev(cwd))
    expect(running.out[0]).toBe(`pid ${running.pid}`)
    expect(await send(client)).toMatchObject({ code: 0 })
    const socket = new WebSocket(`${client.replace('http', 'ws')}/v1/ws`)
    await new Promise((resolve) => socket.addEventListener('open', resolve))
    const closed = new Promise<number>((resolve) => socket.addEventListener('close', ({ code }) => resolve(code)))
    running.signal('SIGKILL')
    // Its output ends when the node, which writes there too, is gone.
    expect(await running.exit).toBe(null)
    // The network's word, not the node's: it did not drain.
    expect(await closed).toBe(1006)
    const again = await serving(new Running(['dev', 'app.ts', ...OTHERS, '--listen', new URL(client).host], { cwd }))
    expect(await count(client)).toBe('1')
    again.running.signal('SIGTERM')
    expect(await again.running.exit).toBe(0)
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('%s to the process that has the ports ends all', async (signal) => {
    const { running } = await serving(await dev(folder()))
    process.kill(childOf(running), signal)
    expect(await running.exit).toBe(0)
    expect(running.err.at(-1)).toMatch(/has drained$/)
  })

  describe('a node that hangs while it starts', () => {
    const hanging = async (first: string): Promise<Running> => {
      const running = await dev(folder({ 'app.ts': `${first}console.log('hangs'); for (;;);` }))
      await running.line('out', /^hangs$/)
      return running
    }

    test.each([
      ['one signal', (running: Running) => running.signal('SIGTERM')],
      ['a signal to the hanging process', (running: Running) => void process.kill(childOf(running), 'SIGTERM')],
    ])('%s ends all', async (_, end) => {
      const running = await hanging('')
      end(running)
      expect(await running.exit).toBe(0)
      expect(running.err).toEqual([])
    })

    const DEAF = "process.on('SIGTERM', () => undefined); "

    test('a second signal ends one that takes signals itself', async () => {
      const running = await hanging(DEAF)
      running.signal('SIGTERM')
      running.signal('SIGINT')
      expect(await running.exit).toBe(0)
    })

    test('and so do 5 s after the first', async () => {
      const running = await hanging(DEAF)
      running.signal('SIGTERM')
      expect(await running.exit).toBe(0)
    })

    test('a saved change is tried', async () => {
      const cwd = folder({ 'app.ts': "console.log('hangs'); for (;;);" })
      const running = await dev(cwd)
      await running.line('out', /^hangs$/)
      writeFileSync(join(cwd, 'app.ts'), APP)
      const node = await serving(running)
      expect(await send(node.client)).toMatchObject({ code: 0 })
      running.signal('SIGTERM')
      expect(await running.exit).toBe(0)
    })
  })

  test('watch comes back by itself after a reload', async () => {
    const cwd = folder()
    const { running, client } = await serving(await dev(cwd))
    const watch = new Running(['watch', 'user/alice', 'summary', '--url', client])
    await watch.line('out', /^\{"notes":0/)
    await send(client)
    await watch.line('out', /^\{"notes":1/)
    writeFileSync(join(cwd, 'app.ts'), `${APP}\n`)
    await watch.line('err', /connecting again/)
    await running.line('out', /^ready$/)
    await send(client)
    await watch.line('out', /^\{"notes":2/)
    watch.signal('SIGINT')
    expect(await watch.exit).toBe(0)
    running.signal('SIGTERM')
    expect(await running.exit).toBe(0)
  })
})
