/**
 * The audit: every user is read back, page by page, and held against the ledger.
 *
 *   lost        acknowledged, and not there            duplicated   there more than once
 *   misplaced   there, at somebody else's              altered      there, with other content
 *   revived     deletion acknowledged, and there
 *
 * What was sent and never acknowledged may be there or not: its outcome was unknown, and nobody was promised anything.
 */
import type { Http } from './http.ts'
import type { Items } from './items.ts'
import type { Probed } from './faults.ts'
import { ACKED, DELETED, DELETING, EDITED, FAILED, SENT, type Ledger } from './ledger.ts'
import type { People } from './people.ts'

export interface AuditReport {
  readonly users: number
  readonly notesRead: number
  readonly acknowledged: number
  /** Of these, deleted again. */
  readonly deleted: number
  readonly lost: number
  readonly duplicated: number
  readonly misplaced: number
  readonly altered: number
  readonly revived: number
  /** Sent, never acknowledged, and there all the same: allowed. */
  readonly unacknowledgedThere: number
  /** The first 20 ids of each kind of trouble. */
  readonly samples: Readonly<Record<string, readonly string[]>>
}

export interface AuditParts {
  readonly http: Http
  readonly people: People
  readonly items: Items
  readonly provided: Ledger
  readonly added: Ledger
  readonly probed: Probed
  readonly sockets: number
}

const AT_ONCE = 24
const LIM = 100
const SAMPLES_MAX = 20

interface Page {
  readonly items: readonly { readonly id: string; readonly title: string }[]
  readonly next: number | null
}

type Trouble = 'lost' | 'duplicated' | 'misplaced' | 'altered' | 'revived'

export async function audit(parts: AuditParts, progress: (users: number) => void): Promise<AuditReport> {
  const { http, people, items, provided, added, probed, sockets } = parts
  const counts: Record<Trouble, number> = { lost: 0, duplicated: 0, misplaced: 0, altered: 0, revived: 0 }
  const samples: Record<string, string[]> = {}
  let notesRead = 0
  let unacknowledgedThere = 0
  const note = (trouble: Trouble, id: string): void => {
    counts[trouble]++
    const some = (samples[trouble] ??= [])
    if (some.length < SAMPLES_MAX) some.push(id)
  }

  const see = (user: number, id: string, title: string): void => {
    const item = items.itemOf(id)
    const one = item === null ? items.addedOf(id) : null
    if (item !== null) {
      if (provided.find(item) > 1) note('duplicated', id)
      if (items.userOf(item) !== user) note('misplaced', id)
      if (title !== items.title(item)) note('altered', id)
    } else if (one !== null) {
      if (added.find(one) > 1) note('duplicated', id)
      if (one % sockets !== user) note('misplaced', id)
      const state = added.stateOf(one)
      if (state === DELETED) note('revived', id)
      const titles = [`mine ${one}`, `mine ${one}, edited`]
      if (state === EDITED ? title !== titles[1] : !titles.includes(title)) note('altered', id)
    } else {
      const probe = items.probeOf(id)
      if (probe === null) return // of another run
      if (probed.ledger.find(probe) > 1) note('duplicated', id)
      if (probed.users[probe] !== user) note('misplaced', id)
    }
  }

  let next = 0
  let done = 0
  const reader = async (): Promise<void> => {
    while (next < people.length) {
      const user = next++
      const person = people[user]
      if (person === undefined) continue
      const { uid, token } = person
      for (let off: number | null = 0; off !== null;) {
        const page = (await http.persist('GET', `/info/${uid}?lim=${LIM}&off=${off}`, { token })) as Page
        notesRead += page.items.length
        for (const { id, title } of page.items) see(user, id, title)
        off = page.next
      }
      progress(++done)
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, people.length) }, reader))

  let acknowledged = 0
  let deleted = 0
  const close = (ledger: Ledger, idOf: (item: number) => string): void => {
    for (let item = 0; item < ledger.size; item++) {
      const state = ledger.stateOf(item)
      const there = ledger.foundTimes(item) > 0
      if (state === SENT || state === FAILED) {
        if (there) unacknowledgedThere++
      } else if (state >= ACKED) {
        acknowledged++
        if (state === DELETED) deleted++
        // A deletion that was not answered may have happened.
        if (!there && state !== DELETED && state !== DELETING) note('lost', idOf(item))
      }
    }
  }
  close(provided, (item) => items.externalId(item))
  close(added, (one) => items.addedId(one))
  close(probed.ledger, (probe) => items.probeId(probe))
  return { users: people.length, notesRead, acknowledged, deleted, ...counts, unacknowledgedThere, samples }
}

export interface FeedReport {
  /** Acknowledged items of the people with sockets. */
  readonly expected: number
  readonly missed: number
  readonly duplicated: number
  readonly gaps: number
}

/** What the feeds brought, against the ledger. */
export function feedReport({ items, provided, added, sockets }: AuditParts, gaps: number): FeedReport {
  let expected = 0
  let missed = 0
  let duplicated = 0
  const close = (ledger: Ledger, heard: (item: number) => boolean): void => {
    for (let item = 0; item < ledger.size; item++) {
      const state = ledger.stateOf(item)
      if (state < ACKED || state === FAILED || !heard(item)) continue
      expected++
      const times = ledger.heardTimes(item)
      if (times === 0) missed++
      if (times > 1) duplicated++
    }
  }
  close(provided, (item) => items.userOf(item) < sockets)
  close(added, () => true)
  return { expected, missed, duplicated, gaps }
}
