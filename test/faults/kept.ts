/** The journals in the end, against what clients were told: nothing acknowledged is lost, nothing is applied twice, order and answers are true. */
import { EMPTY, plus, type Sum } from './app.ts'
import { type Entry, type JournalsRead, type ReadOp, type SendOp, type Violation, violation } from './records.ts'

/** Each acknowledged event once, at its offset; any other at most once; nothing that nobody sent. */
export function keptOnce(actor: string, entries: readonly Entry[], sends: readonly SendOp[]): Violation[] {
  const found: Violation[] = []
  const at = new Map<string, number>()
  const identities = new Map<string, number>()
  for (const [i, { offset, type, id, source }] of entries.entries()) {
    if (offset !== i + 1) return [violation('acknowledged once', `the journal of ${actor} has offset ${offset} where ${i + 1} should be`)]
    if (source !== null) {
      const before = identities.get(source)
      if (before !== undefined)
        found.push(violation('acknowledged once', `${actor} took ${id} twice under one identity, at offsets ${before} and ${offset}`))
      identities.set(source, offset)
    }
    if (type !== 'add') continue
    const first = at.get(id)
    if (first !== undefined) found.push(violation('acknowledged once', `${id} is in ${actor} twice, at offsets ${first} and ${offset}`))
    else at.set(id, offset)
  }
  const sent = new Set<string>()
  for (const { id, client, endedMs, offset } of sends) {
    sent.add(id)
    const place = at.get(id)
    if (endedMs === null || place === offset) continue
    const where = place === undefined ? 'is not there' : `is at ${place}`
    found.push(violation('acknowledged once', `${id} by ${client} was acknowledged at offset ${offset} of ${actor}, and ${where}`))
  }
  for (const id of at.keys()) if (!sent.has(id)) found.push(violation('acknowledged once', `${id} is in ${actor}, and nobody sent it`))
  return found
}

/** What one session sent to one actor is applied in the order of the calls. */
export function inOrder(actor: string, entries: readonly Entry[], sends: readonly SendOp[]): Violation[] {
  const orders = new Map(sends.flatMap(({ id, client, order }) => (order === null ? [] : [[id, { client, order }] as const])))
  const last = new Map<string, { order: number; id: string }>()
  const found: Violation[] = []
  for (const { type, id } of entries) {
    const own = type === 'add' ? orders.get(id) : undefined
    if (own === undefined) continue
    const before = last.get(own.client)
    if (before !== undefined && before.order > own.order)
      found.push(violation('order of a session', `${own.client} sent ${id} before ${before.id}, which is before it in ${actor}`))
    else last.set(own.client, { order: own.order, id })
  }
  return found
}

/** A read shows the state that the journal gives at the offset it names. */
export function answersTrue(actor: string, entries: readonly Entry[], reads: readonly ReadOp[]): Violation[] {
  const states = statesOf(entries)
  const found: Violation[] = []
  for (const { client, offset, sum } of reads) {
    const then = states[offset]
    if (then?.count === sum.count && then.hash === sum.hash) continue
    found.push(
      violation(
        'answers',
        `${client} read ${JSON.stringify(sum)} at offset ${offset} of ${actor}; the journal gives ${JSON.stringify(then ?? 'no such offset')}`,
      ),
    )
  }
  return found
}

/** States by offset. */
export function statesOf(entries: readonly Entry[]): readonly Sum[] {
  const states: Sum[] = [EMPTY]
  for (const { type, id } of entries) states.push(plus(states.at(-1) as Sum, type === 'due' ? `due:${id}` : id))
  return states
}

/** Sends between actors and timers: each that an entry asked for came once, a timer not before its time, and nothing else came. */
export function followUps(journals: JournalsRead, sends: ReadonlyMap<string, SendOp>): Violation[] {
  const found: Violation[] = []
  const told = new Map<string, number>()
  const due = new Map<string, number>()
  const wanted = { told: new Set<string>(), due: new Set<string>() }
  for (const [actor, entries] of journals)
    for (const entry of entries) {
      const name = `${actor} ${entry.id}`
      if (entry.type === 'told') told.set(name, (told.get(name) ?? 0) + 1)
      if (entry.type === 'due') {
        due.set(name, (due.get(name) ?? 0) + 1)
        if (entry.at < entry.notBefore)
          found.push(violation('timers', `the timer of ${entry.id} came ${entry.notBefore - entry.at} ms too early to ${actor}`))
      }
      const send = entry.type === 'add' ? sends.get(entry.id) : undefined
      if (send?.tell !== undefined) wanted.told.add(`${send.tell} ${entry.id}`)
      if (send?.inMs !== undefined) wanted.due.add(name)
    }
  compare('told once', 'was told', told, wanted.told, found)
  compare('timers', 'had its timer', due, wanted.due, found)
  return found
}

function compare(
  check: 'told once' | 'timers',
  verb: string,
  came: ReadonlyMap<string, number>,
  wanted: ReadonlySet<string>,
  found: Violation[],
): void {
  for (const name of wanted) {
    const times = came.get(name) ?? 0
    const [actor, id] = name.split(' ')
    if (times !== 1) found.push(violation(check, `${actor} ${verb} of ${id} ${times} times`))
  }
  for (const name of came.keys()) if (!wanted.has(name)) found.push(violation(check, `${name} came, and nothing asked for it`))
}
