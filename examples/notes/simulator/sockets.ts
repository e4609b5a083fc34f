/**
 * The people with a socket, over the SDK: each follows its own feed from the beginning, and adds notes; of every four one is edited
 * and one deleted afterwards. What the feed tells is counted per item: each acknowledged one must come exactly once, through any outage.
 */
import { connect, TroupeError, type Client } from '../../../src/client/index.ts'
import type { NotesActors } from '../application.ts'
import type { NoteDeleted, NoteEdited } from '../user/note.ts'
import type { Items } from './items.ts'
import { ACKED, DELETED, DELETING, EDITED, EDITING, FAILED, SENT, type Ledger } from './ledger.ts'
import type { People, Person } from './people.ts'
import type { Operation, Tally } from './tally.ts'

export interface SocketParts {
  /** Of all nodes: the SDK takes one, and another when that goes. */
  readonly urls: readonly string[]
  /** Who is in so far: of as many as there will be. */
  readonly people: () => People
  readonly items: Items
  /** Of what the provider adds: told here how often the feeds brought each. */
  readonly provided: Ledger
  /** Of what these people add. */
  readonly added: Ledger
  readonly tally: Tally
  readonly patienceS: number
  readonly pause: (attempt: number) => Promise<void>
}

export interface Sockets {
  /** Connections that are open now. */
  open(): number
  /** Entries that a feed said could not be replayed. There should be none: history is kept for ever. */
  gaps(): number
  /** Adds no more, waits for the answers. The feeds stay. */
  finish(): Promise<void>
  close(): void
}

type App = { readonly actors: NotesActors }
const TICK_MS = 20

/** Note `added` belongs to person `added % people`. */
export function follow(parts: SocketParts, rate: number): Sockets {
  const { people, items, provided, added, tally } = parts
  let gaps = 0
  let next = 0
  let underway = 0
  let stopped = false
  let over = false
  let ended: (() => void) | null = null
  const began = performance.now()
  const dueAt = (one: number): number => began + (one * 1000) / rate

  const open = ({ token }: Person) => {
    const client: Client<App> = connect<App>(parts.urls, { token, device: 'simulator' })
    client.on('error', (error) => tally.failure('live', error instanceof TroupeError ? error.code : error.name))
    let lostAt: number | null = null
    client.on('state', (state, { code, reason }) => {
      // For good, and not by us: the SDK does not come back from that.
      if (state === 'closed' && !over) tally.failure('live', `closed ${code ?? ''} ${reason ?? ''}`)
      if (state === 'resuming') lostAt = performance.now()
      else if (state === 'open' && lostAt !== null) {
        tally.done('away', lostAt)
        lostAt = null
      }
    })
    const me = client.actor()
    me.subscribe(
      'feed',
      (note) => {
        if (note.type === 'note.provided') {
          const item = items.itemOf(`${note.data.provider}:${note.data.externalId}`)
          if (item === null) return
          provided.hear(item)
        } else if (note.type === 'note.added') {
          const one = items.addedOf(note.data.id ?? '')
          if (one === null) return
          added.hear(one)
        } else return
        // Entries of before are replayed; only new ones say how long the way is.
        const ageMs = Date.now() - note.at
        if (note.at > startedAt) tally.done('live', performance.now() - ageMs)
      },
      { from: 'start', onGap: ({ from, to }) => (gaps += to - from + 1) },
    )
    return { client, me }
  }
  const startedAt = Date.now()
  const clients: (ReturnType<typeof open> | undefined)[] = people().map(() => undefined)
  let missing = clients.length
  const enter = (): void => {
    for (const [i, person] of missing > 0 ? people().entries() : []) {
      if (person === undefined || clients[i] !== undefined) continue
      clients[i] = open(person)
      missing--
    }
  }

  const add = async (one: number): Promise<void> => {
    const client = clients[one % clients.length]
    if (client === undefined) return // not in yet
    const { me } = client
    const id = items.addedId(one)
    added.set(one, SENT)
    const note = { id, title: `mine ${one}`, body: 'written by hand', keywords: ['own'] }
    if (!(await sure('add', dueAt(one), () => me.send('note.added', note, { key: id }), 'exists'))) return added.set(one, FAILED)
    added.set(one, ACKED)
    const turn = Math.floor(one / clients.length) % 4
    if (turn === 1) {
      added.set(one, EDITING)
      const edit: NoteEdited = { id, title: `mine ${one}, edited` }
      if (await sure('edit', performance.now(), () => me.send('note.edited', edit, { key: `edit:${id}` }))) added.set(one, EDITED)
    } else if (turn === 2) {
      added.set(one, DELETING)
      const gone: NoteDeleted = { id }
      if (await sure('delete', performance.now(), () => me.send('note.deleted', gone, { key: `delete:${id}` }), 'no_note'))
        added.set(one, DELETED)
    }
  }

  /** Repeats under the same key until it is answered for certain. `done`: the refusal that says that an earlier try had done it. */
  const sure = async (operation: Operation, intended: number, send: () => Promise<unknown>, done?: string): Promise<boolean> => {
    const until = performance.now() + parts.patienceS * 1000
    for (let attempt = 0; ; attempt++) {
      try {
        await send()
        break
      } catch (error) {
        const { code, reason, retryable } =
          error instanceof TroupeError ? error : { code: 'simulator', reason: undefined, retryable: false }
        if (reason !== undefined && reason === done) break
        tally.gaveUp(reason ?? code)
        if (!retryable || performance.now() > until) {
          tally.failure(operation, reason ?? code)
          return false
        }
        tally.retry(code)
        await parts.pause(attempt)
      }
    }
    tally.done(operation, intended)
    return true
  }

  const tick = (): void => {
    enter()
    while (!stopped && clients.length > 0 && dueAt(next) <= performance.now()) {
      underway++
      void add(next++).finally(() => {
        underway--
        tick()
      })
    }
    if (stopped && underway === 0) ended?.()
  }
  const timer = setInterval(tick, TICK_MS)

  return {
    open: () => clients.filter((one) => one?.client.state === 'open').length,
    gaps: () => gaps,
    finish: () => {
      stopped = true
      clearInterval(timer)
      return new Promise((resolve) => {
        ended = resolve
        tick()
      })
    },
    close: () => {
      over = true
      for (const one of clients) one?.client.close()
    },
  }
}
