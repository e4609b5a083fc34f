/** The SDK against a whole node, over real sockets that break: guards promises 1 and 4 from end to end. */
import { connect as dial, createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { actor, app, log } from '../../src/actors/define.ts'
import { silentLog } from '../../src/base/log.ts'
import { connect } from '../../src/client/index.ts'
import { type RunningNode, startNode } from '../../src/node.ts'

const list = app({
  actors: {
    user: actor('user', {
      state: () => ({ items: [] as number[] }),
      events: { add: { reduce: (state, item: number) => ({ items: [...state.items, item] }) } },
      topics: { feed: log() },
      queries: { items: (state) => state.items },
    }),
  },
  authenticate: ({ token }) => (token === undefined ? null : { sub: token, actor: `user/${token}` }),
})

let node: RunningNode
let cutAll: () => void
let url: string
let closeProxy: () => Promise<void>

beforeEach(async () => {
  node = await startNode({ app: list, store: 'memory:', listen: '127.0.0.1:0', adminListen: null, log: silentLog })
  const target = new URL(node.clientUrl as string)
  const open = new Set<Socket>()
  const proxy = createServer((near) => {
    const far = dial(Number(target.port), target.hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one)
      one.on('error', () => undefined)
      one.on('close', () => {
        open.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  url = `ws://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  cutAll = () => {
    for (const socket of open) socket.destroy()
  }
  closeProxy = () => {
    cutAll()
    return new Promise((resolve) => proxy.close(() => resolve()))
  }
})
afterEach(async () => {
  await closeProxy()
  await node.stop()
})

it('sends through connections that break are applied exactly once, in order, and a subscriber misses none', async () => {
  const client = connect<typeof list>(url, { token: 'alice', random: { float: () => 0 } })
  const me = client.actor()
  const all = Array.from({ length: 400 }, (_, n) => n)
  const heard: number[] = []
  const gaps: unknown[] = []
  client.on('gap', (gap) => gaps.push(gap))
  const heardAll = new Promise<void>((resolve) => {
    const hear = ({ data }: { data: number }): void => {
      heard.push(data)
      if (heard.length === all.length) resolve()
    }
    me.subscribe('feed', hear, { from: 'start' })
  })
  let answered = 0
  let resumes = 0
  client.on('state', (state) => void (state === 'resuming' && resumes++))
  const sent = await Promise.all(
    all.map(async (n) => {
      const { offset } = await me.send('add', n)
      if (++answered % 60 === 0) cutAll()
      return offset
    }),
  )
  await heardAll
  expect(await me.query('items')).toEqual(all)
  expect(sent).toEqual(all.map((n) => n + 1))
  expect(heard).toEqual(all)
  expect(gaps).toEqual([])
  expect(resumes).toBeGreaterThanOrEqual(5)
  client.close()
})
