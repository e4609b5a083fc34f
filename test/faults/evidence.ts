/** The journals as the store has them, read past all nodes, and every check over them. */
import { Journals } from '../../src/testing/journal.ts'
import { resolveOptions } from '../../src/options.ts'
import type { Store } from '../../src/store/store.ts'
import app, { type Due } from './app.ts'
import { answersTrue, followUps, inOrder, keptOnce } from './kept.ts'
import type { Ledger } from './ledger.ts'
import { fromTheFuture } from './linear.ts'
import { type Entry, type JournalsRead, type Violation, violation } from './records.ts'

export interface Evidence {
  readonly journals: JournalsRead
  readonly broken: readonly Violation[]
}

export async function readAll(store: Store): Promise<Evidence> {
  const reader = new Journals(store, app, resolveOptions({}))
  const journals = new Map<string, readonly Entry[]>()
  const broken: Violation[] = []
  for (const actor of await reader.actors()) {
    const journal = await reader.read(actor)
    if (journal === null) continue
    if (!journal.chain.ok) broken.push(violation('hash chain', `batch ${journal.chain.n} of ${actor}: ${journal.chain.why}`))
    const entries = journal.entries.map(({ offset, body: [type, data, at, , source, seq] }) => {
      const { id, notBefore = 0 } = data as Partial<Due> & { id: string }
      return { offset, type, id, at, notBefore, source: source === undefined ? null : `${source}#${seq}` }
    })
    journals.set(actor, entries)
  }
  return { journals, broken }
}

/** Why it is not at rest yet: something is owed, or somebody is behind. */
export function restless({ journals }: Evidence, { sends, followers }: Ledger): readonly Violation[] {
  const owed = followUps(journals, new Map(sends.map((op) => [op.id, op])))
  const behind = followers.flatMap((follower) => follower.atEnd(journals.get(follower.actor) ?? []) ?? [])
  return [...owed, ...behind]
}

/** All that must hold of what is in the store in the end. */
export function judgeAll(evidence: Evidence, ledger: Ledger): readonly Violation[] {
  const { journals, broken } = evidence
  const sends = Map.groupBy(ledger.sends, ({ actor }) => actor)
  const reads = Map.groupBy(ledger.reads, ({ actor }) => actor)
  const found: Violation[] = [...broken]
  for (const actor of new Set([...journals.keys(), ...sends.keys(), ...reads.keys()])) {
    const [entries, sent, read] = [journals.get(actor) ?? [], sends.get(actor) ?? [], reads.get(actor) ?? []]
    found.push(...keptOnce(actor, entries, sent), ...inOrder(actor, entries, sent))
    found.push(...answersTrue(actor, entries, read), ...fromTheFuture(entries, sent, read))
  }
  for (const follower of ledger.followers) found.push(...follower.truth(journals.get(follower.actor) ?? []))
  found.push(...restless(evidence, ledger))
  return found
}
