/** `watch` when the connection breaks: what it asks for when it comes back. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { cleanUp, Running } from './troupe.ts'

afterAll(cleanUp)

/** Watches a topic of a server that answers the n-th request with the n-th text and ends. Gives each request's `Last-Event-ID`. */
async function watched(answers: readonly string[]): Promise<{ readonly asked: readonly unknown[]; readonly out: readonly string[] }> {
  const asked: unknown[] = []
  const server = createServer((request, response: ServerResponse) => {
    const answer = answers[asked.length]
    asked.push(request.headers['last-event-id'])
    response.writeHead(answer === undefined ? 500 : 200, { 'content-type': 'text/event-stream' }).end(answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const watch = new Running(['watch', 'user/alice', 'feed', '--count', '1', '--url', url])
    expect(await watch.exit).toBe(0)
    return { asked, out: watch.out }
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const NOTE = 'event: note\nid: j:8\ndata: {"t":"note","sub":1,"from":8,"offset":8,"type":"note.added","data":1}\n\n'

test('it goes on from where it began, though nothing came before the connection broke', async () => {
  expect(await watched(['id: j:7\n\n', ': \n\n', NOTE])).toEqual({ asked: [undefined, 'j:7', 'j:7'], out: ['8 note.added 1'] })
})

test('a gap counts as seen', async () => {
  const gap = 'event: gap\nid: j:7\ndata: {"t":"gap","sub":1,"from":3,"to":7}\n\n'
  expect(await watched([`id: j:2\n\n${gap}`, NOTE])).toEqual({ asked: [undefined, 'j:7'], out: ['8 note.added 1'] })
})
