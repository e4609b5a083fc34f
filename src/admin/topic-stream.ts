/**
 * A topic as server-sent events on the admin port (WHATWG HTML, "Server-sent events"), as on the client port (CONTRACT §4).
 *
 * 1. `id` is `journal:offset`; `Last-Event-ID` resumes: a `log` replays what came since, `signal` and `view` send once if they changed.
 *    Who begins now is told from where by an id without data.
 * 2. At most NOTES_MAX notes wait for a slow reader; then the stream ends, and a reader that comes back resumes by 1.
 * 3. Whatever ends the stream (reader gone, actor moved, node stopped) closes the upstream, once.
 */
import type { Context } from 'hono'
import { streamSSE, type SSEStreamingApi } from 'hono/streaming'
import type { Note, TopicOutcome, TopicState } from '../actors/calls.ts'
import { BoundedQueue } from '../base/queue.ts'
import { answered, answerFailure } from './actor-routes.ts'
import type { AdminParts } from './parts.ts'

const NOTES_MAX = 1024

interface Target {
  readonly actor: string
  readonly topic: string
}

export async function streamTopic(c: Context, parts: AdminParts, target: Target): Promise<Response> {
  const waiting = new BoundedQueue<Note>(NOTES_MAX)
  let over = false
  let wake: () => void = () => undefined
  const end = (): void => {
    over = true
    wake()
  }
  const sink = {
    note: (note: Note): void => {
      if (!waiting.push(note)) over = true
      wake()
    },
    ended: end,
  }
  const opened = Promise.withResolvers<TopicOutcome>()
  const upstream = parts.calls.subscribe(target, sink, opened.resolve)
  const state = await opened.promise
  if (!state.ok) return answerFailure(c, state)

  c.header('cache-control', 'no-store')
  const send = async (stream: SSEStreamingApi): Promise<void> => {
    stream.onAbort(end)
    try {
      let sent = await catchUp(stream, parts, target, state, positionOf(c.req.header('last-event-id')))
      while (!over) {
        const note = waiting.shift()
        if (note !== undefined) {
          await write(stream, note, sent)
          sent = note.offset
          continue
        }
        const quiet = await new Promise<boolean>((resolve) => {
          const timer = parts.clock.after(parts.options.pingEveryMs, () => resolve(true))
          wake = () => {
            timer.cancel()
            resolve(false)
          }
          if (over || waiting.length > 0) wake()
        })
        wake = () => undefined
        if (quiet) await stream.write(': ping\n\n')
      }
    } finally {
      upstream.close()
    }
  }
  // A failed catch-up ends the stream; the reader comes back and is answered what is wrong.
  return streamSSE(c, send, () => Promise.resolve())
}

/** What a reader must get before live notes. Returns the offset it is then at. */
async function catchUp(
  stream: SSEStreamingApi,
  parts: AdminParts,
  target: Target,
  state: TopicState,
  from: { readonly journal: string; readonly offset: number } | null,
): Promise<number> {
  const { journal, epoch, offset } = state
  // An id alone: a reader that is cut off before the first note comes back to here, not to a later now.
  if (from === null) await stream.write(`id: ${journal}:${offset}\n\n`)
  const resumes = from !== null && from.journal === journal
  if (state.kind !== 'log') {
    const behind = resumes ? from.offset < state.changed : state.kind === 'view' || from !== null
    if (behind)
      await write(stream, { journal, epoch, offset, ...(state.json === undefined ? {} : { json: state.json }) }, resumes ? from.offset : 0)
    return offset
  }
  if (from === null) return offset
  let next = resumes ? from.offset + 1 : 1
  let sent = next - 1
  while (next <= offset) {
    const page = await answered(parts.calls.history.bind(parts.calls), {
      actor: target.actor,
      from: next,
      limit: parts.options.historyEntries,
      types: state.types ?? null,
    })
    if (!page.ok) throw new Error(page.message)
    if (page.oldest > next)
      await stream.writeSSE({ event: 'gap', data: JSON.stringify({ t: 'gap', sub: 1, from: next, to: page.oldest - 1 }) })
    for (const entry of page.entries) {
      if (entry.offset > offset) break
      await write(stream, { journal, epoch, ...entry }, sent)
      sent = entry.offset
    }
    if (!page.more || page.next <= next) break
    next = page.next
  }
  return offset
}

async function write(stream: SSEStreamingApi, note: Note, before: number): Promise<void> {
  const { journal, offset, type, at, json } = note
  const head = JSON.stringify({
    t: 'note',
    sub: 1,
    offset,
    from: before + 1,
    ...(type === undefined ? {} : { type }),
    ...(at === undefined ? {} : { at }),
  })
  const data = json === undefined ? head : `${head.slice(0, -1)},"data":${json}}`
  await stream.writeSSE({ event: 'note', id: `${journal}:${offset}`, data })
}

/** `journal:offset`, as we wrote it; anything else is as if nothing came. */
function positionOf(text: string | undefined): { readonly journal: string; readonly offset: number } | null {
  const match = /^(.+):(\d{1,15})$/.exec(text ?? '')
  return match === null ? null : { journal: match[1] as string, offset: Number(match[2]) }
}
