/** An owner that another has superseded may still answer a subscribe, with an older state of the same journal: nothing seen is taken back. */
import { expect, it } from 'vitest'
import { setup } from './setup.ts'

const stale = (topic: string) => async (): Promise<readonly unknown[]> => {
  const { clock, server, client, open } = setup()
  for (let n = 1; n <= 5; n++) server.append('user/alice', 'a', n)
  const heard: unknown[] = []
  const gaps: unknown[] = []
  client.on('gap', (gap) => gaps.push(gap))
  client.actor().subscribe(topic, ({ offset, data }) => heard.push([offset, data]), { from: 'start' })
  await open()
  await clock.run(10)
  const before = heard.length
  server.intercept = (socket, frame) => {
    if (frame.t !== 'subscribe') return false
    server.intercept = () => false
    const data = topic === 'summary' ? { data: { n: 3 } } : {}
    socket.toClient({
      t: 'reply',
      id: frame.id,
      ok: true,
      sub: 77,
      journal: 'j-user/alice',
      epoch: 1,
      offset: 3,
      recovered: false,
      ...data,
    })
    // What it has not seen comes from the new owner, when the gateway has found that.
    for (const offset of [4, 5, 6])
      socket.toClient({ t: 'note', sub: 77, offset, from: offset, data: topic === 'summary' ? { n: offset } : offset })
    return true
  }
  server.socket.cut()
  await open()
  await clock.run(10)
  expect(gaps).toEqual([])
  return heard.slice(before)
}

it('a log', async () => expect(await stale('feed')()).toEqual([[6, 6]]))
it('a view', async () => expect(await stale('summary')()).toEqual([[6, { n: 6 }]]))
