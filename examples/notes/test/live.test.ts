/** Live: what the page follows, over the SDK and over server-sent events. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, type Client } from '../../../src/client/index.ts'
import type { NotesActors } from '../application.ts'
import { startService, tokens, type Service } from './service.ts'

type App = { readonly actors: NotesActors }
let service: Service
let running = false
beforeAll(async () => {
  service = await startService({ simulator: { running: () => running, set: (on) => (running = on) } })
})
afterAll(() => service.node.stop())

/** Resolves once `holds` does, looked at whenever `look` is called. */
function until(holds: () => boolean): { readonly look: () => void; readonly done: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const look = (): void => {
    if (holds()) resolve()
  }
  look()
  return { look, done: promise }
}

const open = (token: string): Client<App> => connect<App>(service.url, { token, device: 'test' })

test('a change by anybody reaches every device: feed in order, signal and summary at the last state', async () => {
  const { uid, token } = await service.person('ann')
  const [laptop, phone] = [open(token), open(token)]
  const feeds: string[][] = [[], []]
  let signals = 0
  let notes = -1
  const all = until(() => feeds.every((feed) => feed.length === 4) && signals > 0 && notes === 1)
  ;[laptop, phone].forEach((client, i) => {
    client.actor().subscribe('feed', (note) => {
      feeds[i]?.push(note.type)
      all.look()
    }, { from: 'start' }) // prettier-ignore
  })
  phone.actor().subscribe('events-changed', () => {
    signals++
    all.look()
  })
  phone.actor().subscribe('summary', ({ data }) => {
    notes = data.notes
    all.look()
  })
  const added = await laptop.actor().send('note.added', { title: 'by hand', body: '', keywords: [] })
  await service.call('POST', '/provider/mail/items', {
    token: tokens.provider('mail'),
    body: [{ uid, externalId: 'x', title: 'from outside' }],
  })
  await service.call('PUT', '/notes/mail:x', { token, body: { title: 'edited' } })
  await phone.actor().send('note.deleted', { id: `n.${added.offset}` })
  await all.done
  expect(feeds).toEqual(Array.from({ length: 2 }, () => ['note.added', 'note.provided', 'note.edited', 'note.deleted']))
  expect((await phone.actor().query('info', { lim: 5 }))?.items.map(({ title }) => title)).toEqual(['edited'])
  laptop.close()
  phone.close()
})

test('a token that was logged out opens no socket', async () => {
  const { token } = await service.person('bob')
  await service.call('POST', '/logout', { token })
  const client = open(token)
  const closed = until(() => client.state === 'closed')
  client.on('state', closed.look)
  closed.look()
  await closed.done
  client.close()
})

test('a provider on a socket may give, to anybody, and nothing else', async () => {
  const { uid } = await service.person('cleo')
  const mail = open(tokens.provider('mail'))
  const user = mail.actor(`user/${uid}`)
  const item = { externalId: 'x', title: 'x', body: '', keywords: [] }
  await user.send('note.provided', { provider: 'mail', ...item })
  await expect(user.send('note.provided', { provider: 'other', ...item })).rejects.toMatchObject({ code: 'refused', reason: 'denied' })
  await expect(user.send('note.added', { title: 'x', body: '', keywords: [] })).rejects.toMatchObject({ code: 'denied' })
  await expect(user.query('info', {})).rejects.toMatchObject({ code: 'denied' })
  mail.close()
})

test('the panel hears of traffic and of the switch', async () => {
  const { token } = await service.person('dora')
  const abort = new AbortController()
  const response = await fetch(`${service.url}/traffic`, { signal: abort.signal })
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const decoder = new TextDecoder()
  await service.call('POST', '/notes', { token, body: { title: 'seen' } })
  await service.call('POST', '/simulator', { body: { running: true } })
  let text = ''
  let events = 0
  let second: { readonly simulator?: boolean; readonly activeUsers?: number } = {}
  while (events === 0 || second.simulator !== true) {
    const { value, done } = await reader.read()
    if (done) throw new Error('the stream ended')
    text += decoder.decode(value, { stream: true })
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) {
      if (!line.startsWith('data:')) continue
      second = JSON.parse(line.slice(5)) as typeof second
      events += (second as { readonly events: number }).events
    }
  }
  expect(second.activeUsers).toBeGreaterThanOrEqual(1)
  abort.abort()
})
