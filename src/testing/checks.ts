/** The promises, looked at from the outside: what clients were told against what the store holds, and that against what the nodes have in memory. */
import type { Inspection } from '../actors/inspect.ts'
import type { Options } from '../options.ts'
import type { Ack, Follower } from './clients.ts'
import type { Journal, JournalEntry, Journals } from './journal.ts'
import type { NodeProcess } from './process.ts'
import type { Property } from './trace.ts'

export interface Broken {
  readonly property: Property
  readonly what: string
}

export interface Evidence {
  readonly journals: Journals
  readonly options: Options
  readonly acks: readonly Ack[]
  readonly followers: readonly Follower[]
  readonly processes: readonly NodeProcess[]
  /** Wall time. */
  readonly now: number
}

/** Timers fire at most this late after a crash (CONTRACT §1). */
const TIMER_LATE_MS = 5_000
/** What an actor's state, folded, is compared by. */
type Memory = Extract<ReturnType<Journals['folded']>, { kind: 'folded' }>['memory']

/** What must hold at every moment, whatever is broken now. */
export async function alwaysBroken(evidence: Evidence): Promise<Broken | null> {
  const { journals } = evidence
  for (const actor of await journals.actors()) {
    const journal = await journals.read(actor)
    if (journal === null) continue
    if (!journal.chain.ok) return { property: 'hash-chain', what: `batch ${journal.chain.n} of ${actor}: ${journal.chain.why}` }
    const impure = journals.impurity(journal)
    if (impure !== null) return { property: 'purity', what: impure }
    const twice = takenTwice(journal, evidence.options.dedupeTtlMs)
    if (twice !== null) return { property: 'acknowledged-once', what: twice }
  }
  return lostAck(evidence)
}

/** What holds once everything is healed and at rest; null: it is. In a settled world it must. */
export async function notYet(evidence: Evidence): Promise<Broken | null> {
  const { journals } = evidence
  const memories = new Map<string, Memory>()
  for (const actor of await journals.actors()) {
    const journal = await journals.read(actor)
    const folded = journal === null ? null : journals.folded(journal)
    if (journal === null || folded === null) continue
    if (folded.kind !== 'folded') return { property: 'purity', what: `${actor} cannot be folded: ${folded.kind}` }
    memories.set(actor, folded.memory)
    const owed = await owes(evidence, journal, folded.memory)
    if (owed !== null) return { property: 'owed', what: owed }
  }
  return (await wrongInMemory(evidence, memories)) ?? behind(evidence, memories)
}

/** D1: each identity is in the journal once. */
function takenTwice({ actor, entries }: Journal, ttlMs: number): string | null {
  const seen = new Map<string, JournalEntry>()
  for (const entry of entries) {
    const [type, , at, , source, seq] = entry.body
    if (source === undefined) continue
    const name = `${source}\n${seq}`
    const before = seen.get(name)
    if (before !== undefined && at - before.body[2] < ttlMs)
      return `'${type}' is in the journal of ${actor} twice, at offsets ${before.offset} and ${entry.offset}, under one number (${source}, ${seq})`
    seen.set(name, entry)
  }
  return null
}

async function lostAck({ journals, acks }: Evidence): Promise<Broken | null> {
  const byActor = Map.groupBy(acks, ({ actor }) => actor)
  for (const [actor, of] of byActor) {
    const journal = await journals.read(actor)
    // A write-behind actor has promised only what it flushed (J9).
    if (journal === null || journal.definition.durability !== 'event') continue
    const offsets = new Map(journal.entries.map((entry) => [entry.offset, entry]))
    const folded = journals.folded(journal)
    const newest = folded.kind === 'folded' ? folded.memory.offset : Infinity
    const own = new Map<number, Ack>()
    for (const ack of of) {
      const broken = (what: string): Broken => ({ property: 'acknowledged-once', what: `${told(ack)}; ${what}` })
      const entry = offsets.get(ack.offset)
      if (ack.offset > newest) return broken(`the journal ends at ${newest}`)
      if (entry === undefined && journal.whole) return broken('there is no such entry')
      if (entry !== undefined && !matches(ack, entry, journal))
        return broken(`there is '${entry.body[0]}' ${JSON.stringify(entry.body[1])}`)
      const other = own.get(ack.offset)
      if (!ack.duplicate && other !== undefined) return broken(`so was another event: ${told(other)}`)
      if (!ack.duplicate) own.set(ack.offset, ack)
    }
  }
  return null
}

/** A schema may have made other data of what was sent. */
function matches({ type, json }: Ack, { body }: JournalEntry, { definition }: Journal): boolean {
  return body[0] === type && (definition.events.get(type)?.schema !== undefined || JSON.stringify(body[1]) === json)
}

function told({ actor, type, json, offset }: Ack): string {
  return `'${type}' ${json} to ${actor} was acknowledged at offset ${offset}`
}

async function owes({ journals, now, processes }: Evidence, journal: Journal, memory: Memory): Promise<string | null> {
  const { actor } = journal
  const waiting = memory.effects?.all()[0]
  if (waiting !== undefined && !(await arrivedUnwritten(processes, journal)))
    return `${actor} has sent '${waiting.type}' to ${waiting.to}, which has not arrived`
  for (const [name, { due, type }] of journal.whole ? journal.timers : (memory.timers ?? []))
    if (due + TIMER_LATE_MS < now) return `the timer '${name}' of ${actor} was due ${now - due} ms ago, and '${type}' has not come`
  for (const [to, seq, type] of journal.effects) {
    const target = await journals.read(to)
    if (target === null || !target.whole) continue
    const source = `actor:${actor}`
    const found = target.entries.filter(({ body }) => body[4] === source && body[5] === seq).length
    const refused = target.refusals.some((refusal) => refusal[0] === source && refusal[1] === seq)
    if (found !== 1 && !refused) return `${actor} has sent '${type}' to ${to} (its number ${seq}), which is in the journal ${found} times`
  }
  return null
}

/** Where answers leave early, who has the actor and has not claimed it writes that its sends arrived only when it lets go of it (J9). */
async function arrivedUnwritten(processes: readonly NodeProcess[], { actor, definition }: Journal): Promise<boolean> {
  if (definition.durability === 'event') return false
  for (const { member, state } of processes) {
    if (state !== 'up' || member === null || !member.engine.has(actor)) continue
    const live = await inspected(member.engine.inspect(actor))
    if (live?.active === true && live.effects.length === 0) return true
  }
  return false
}

async function wrongInMemory({ processes, journals }: Evidence, memories: ReadonlyMap<string, Memory>): Promise<Broken | null> {
  for (const { name, member, state } of processes) {
    if (state !== 'up' || member === null) continue
    for (const { actor } of member.engine.activations()) {
      const live = await inspected(member.engine.inspect(actor))
      const newest = memories.get(actor)
      if (live === null || !live.active || newest === undefined) continue
      // Nobody has asked it since another owner wrote: it may be behind (D11), but what it has must have been so.
      const then = live.offset < newest.offset ? await earlier(journals, actor, live.offset) : newest
      const what = then === null ? null : difference(live, then)
      if (what !== null) return { property: 'live-state', what: `${name} has ${actor} ${what}` }
    }
  }
  return null
}

async function earlier(journals: Journals, actor: string, offset: number): Promise<Memory | null> {
  const journal = await journals.read(actor)
  const folded = journal === null ? null : journals.foldedAt(journal, offset)
  return folded?.kind === 'folded' ? folded.memory : null
}

async function inspected(asked: Promise<Inspection | { readonly ok: false }>): Promise<Inspection | null> {
  const answer = await asked
  return answer.ok ? answer : null
}

function difference({ offset, state }: Inspection, memory: Memory): string | null {
  if (offset > memory.offset) return `at offset ${offset}; its journal ends at ${memory.offset}`
  const [live, folded] = [JSON.stringify(state), JSON.stringify(memory.state)]
  return live === folded ? null : `in the state ${live}; its journal makes ${folded}`
}

function behind({ journals, followers }: Evidence, memories: ReadonlyMap<string, Memory>): Promise<Broken | null> {
  return (async () => {
    for (const follower of followers) {
      const memory = memories.get(follower.actor)
      const journal = memory === undefined || !follower.open ? null : await journals.read(follower.actor)
      const what = journal === null || memory === undefined ? null : missed(follower, journal, memory)
      const who = `${follower.who}, who follows '${follower.topic}' of ${follower.actor},`
      if (what !== null) return { property: 'newest-state', what: `${who} ${what}` }
    }
    return null
  })()
}

function missed(follower: Follower, { definition, entries, whole }: Journal, memory: Memory): string | null {
  const topic = definition.topics.get(follower.topic)
  if (topic === undefined || follower.error !== null) return null
  if (follower.seen < 0) return 'is not subscribed yet'
  switch (topic.kind) {
    case 'signal': {
      const changed = memory.marks?.get(follower.topic) ?? 0
      return follower.seen >= changed ? null : `has heard of offset ${follower.seen}; it changed at ${changed}`
    }
    case 'view': {
      const [has, is] = [JSON.stringify(follower.newest?.data), JSON.stringify(topic.project(memory.state))]
      return has === is ? null : `has ${has}; it is ${is}`
    }
    case 'log': {
      if (!whole || definition.durability !== 'event') return null
      const due = entries.filter(({ offset, body }) => {
        const told = offset > follower.from && !follower.gaps.some(({ from, to }) => from <= offset && offset <= to)
        return told && (topic.types === null || topic.types.includes(body[0]))
      })
      const [has, is] = [follower.offsets.join(' '), due.map(({ offset }) => offset).join(' ')]
      return has === is ? null : `has got the offsets ${has}; due are ${is}`
    }
  }
}
