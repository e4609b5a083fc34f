/**
 * What would go wrong without each rule of the membership: one small change of the production code a row. The tests of this folder must notice every
 * one. `caughtBy` names the property (docs/membership.md) that notices first.
 */
import type { Mutant } from '../sim/mutate.ts'

export interface MembershipMutant extends Mutant {
  readonly caughtBy: string
}

export const MEMBERSHIP_MUTANTS: readonly MembershipMutant[] = [
  {
    rule: 'M1',
    name: 'dead is weighed after the incarnation: an end can be refuted',
    file: 'cluster/member.ts',
    find: `  const terminal = finality(a.liveness) - finality(b.liveness)
  if (terminal !== 0) return terminal
  if (a.incarnation !== b.incarnation) return a.incarnation - b.incarnation`,
    replace: `  const terminal = finality(a.liveness) - finality(b.liveness)
  if (a.incarnation !== b.incarnation) return a.incarnation - b.incarnation
  if (terminal !== 0) return terminal`,
    caughtBy: 'M1 order',
  },
  {
    rule: 'M1',
    name: '>= for >: of two records that differ only in data each node keeps its own',
    file: 'cluster/member.ts',
    find: `  return textA === textB ? 0 : textA > textB ? 1 : -1`,
    replace: `  return 1`,
    caughtBy: 'M1 laws',
  },
  {
    rule: 'M2',
    name: '>= for > in the merge: what is less replaces what is more',
    file: 'cluster/records.ts',
    find: `    if (order < 0) return isTerminal(`,
    replace: `    if (order < -1) return isTerminal(`,
    caughtBy: 'M2',
  },
  {
    rule: 'M3',
    name: 'an accuser raises the incarnation of the accused',
    file: 'cluster/suspects.ts',
    find: `core.put({ ...record, liveness: 'suspect' })`,
    replace: `core.put({ ...record, incarnation: record.incarnation + 1, liveness: 'suspect' })`,
    caughtBy: 'M3',
  },
  {
    rule: 'M3',
    name: 'no refutation',
    file: 'cluster/records.ts',
    find: `if (record.liveness === 'suspect' || record.incarnation > self.incarnation) this.#own.refute(`,
    replace: `if (record.incarnation > self.incarnation) this.#own.refute(`,
    caughtBy: 'M6',
  },
  {
    rule: 'M5',
    name: 'an accusation never comes to a verdict',
    file: 'cluster/suspects.ts',
    find: `    else this.#condemn(entry)`,
    replace: `    else if (entry.suspicion.startedAt < 0) this.#condemn(entry)`,
    caughtBy: 'M5',
  },
  {
    rule: 'M5',
    name: 'nodes do not agree whose turn it is',
    file: 'cluster/core.ts',
    find: `    if (step > this.step) this.#stepZeroAt = `,
    replace: `    if (step > this.step && this.now < 0) this.#stepZeroAt = `,
    caughtBy: 'M5 (30 restarted at odd times)',
  },
  {
    rule: 'M5',
    name: 'the transmit limit is one: news is told once',
    file: 'cluster/broadcasts.ts',
    find: `  return mult * Math.ceil(Math.log10(members + 1))`,
    replace: `  return members > 0 ? 1 : mult`,
    caughtBy: 'M5, the limit itself',
  },
  {
    rule: 'M12',
    name: 'the transmit limit is off: news is told for ever',
    file: 'cluster/broadcasts.ts',
    find: `      if (++news.sent < limit) this.#level(news.sent).push(news)`,
    replace: `      if (++news.sent < Infinity) this.#level(news.sent % 8).push(news)`,
    caughtBy: 'M12',
  },
  {
    rule: 'M6',
    name: 'who is cut off says for good that the others are dead',
    file: 'cluster/census.ts',
    find: `    if (2 * answered <= 1 + this.#sample.size + this.#subjects.size) return false`,
    replace: `    if (answered < 1) return false`,
    caughtBy: 'M6',
  },
  {
    rule: 'M6',
    name: 'the late-timer rule is dropped',
    file: 'cluster/membership.ts',
    find: `    if (!this.#waking && lateMs > LATE_MS) {`,
    replace: `    if (!this.#waking && lateMs > LATE_MS * 1e9) {`,
    caughtBy: 'M6 (sleepers)',
  },
  {
    rule: 'M6',
    name: 'nobody is asked to probe in one’s stead',
    file: 'cluster/probing.ts',
    find: `    const helpers = picked(able, core.options.indirect, core.random)`,
    replace: `    const helpers = picked(able, 0, core.random)`,
    caughtBy: 'M15',
  },
  {
    rule: 'M7',
    name: 'silence is judged after one period',
    file: 'cluster/suspicion.ts',
    find: `    if (this.refused) return this.startedAt`,
    replace: `    if (this.refused || this.#accusers.size > 0) return this.startedAt`,
    caughtBy: 'M7',
  },
  {
    rule: 'M8',
    name: 'no re-seed',
    file: 'cluster/joining.ts',
    find: `    for (const address of asked) if (address !== '') core.ask(`,
    replace: `    for (const address of asked) if (address === '') core.ask(`,
    caughtBy: 'M8',
  },
  {
    rule: 'M8',
    name: 'records are never compared',
    file: 'cluster/sync.ts',
    find: `    if (differing.size === 0) return core.reply(`,
    replace: `    if (differing.size >= 0) return core.reply(`,
    caughtBy: 'M8',
  },
  {
    rule: 'M9',
    name: 'the generation is ignored: a restart is the same member',
    file: 'cluster/member.ts',
    find: `  if (a.generation !== b.generation) return a.generation - b.generation
  const terminal`,
    replace: `  const terminal`,
    caughtBy: 'M1 order, M9',
  },
  {
    rule: 'M9',
    name: 'who was declared dead is not told so',
    file: 'cluster/membership.ts',
    find: `    core.reply(null, { kind: 'gossip' }, [updateOf(entry, core.now)])
    return true`,
    replace: `    return true`,
    caughtBy: 'M8',
  },
  {
    rule: 'M10',
    name: 'frames of another cluster are taken',
    file: 'cluster/membership.ts',
    find: `    if (header.cluster !== core.cluster) return
`,
    replace: ``,
    caughtBy: 'M10',
  },
  {
    rule: 'M11',
    name: 'ended records are never forgotten',
    file: 'cluster/roster.ts',
    find: `      if (age >= this.#retentionMs) gone.push(id)
      else if`,
    replace: `      if`,
    caughtBy: 'M11',
  },
  {
    rule: 'M11',
    name: 'the age of an end does not travel: it is told round for ever',
    file: 'cluster/roster.ts',
    find: `      entry.endedAt = now - agedMs`,
    replace: `      entry.endedAt = now`,
    caughtBy: 'M11',
  },
  {
    rule: 'M11',
    name: 'any number of members is taken',
    file: 'cluster/records.ts',
    find: `    if (core.roster.live >= core.options.members) return this.#full(record)
    const entry`,
    replace: `    const entry`,
    caughtBy: 'M11',
  },
  {
    rule: 'M13',
    name: 'third-hand alive is believed',
    file: 'cluster/records.ts',
    find: `    entry.verified = false`,
    replace: `    entry.verified = true`,
    caughtBy: 'M13',
  },
  {
    rule: 'M13',
    name: 'a generation that ended and was forgotten is taken up again',
    file: 'cluster/records.ts',
    find: `    if (before !== undefined && record.generation <= before.generation)`,
    replace: `    if (before !== undefined && record.generation < before.generation)`,
    caughtBy: 'M13',
  },
  {
    rule: 'M14',
    name: 'who comes and goes is never held down',
    file: 'cluster/suspects.ts',
    find: `    if (recent.length < CYCLES || `,
    replace: `    if (recent.length < CYCLES * 10 || `,
    caughtBy: 'M14',
  },
  {
    rule: 'M14',
    name: 'who was flapping serves again at once',
    file: 'cluster/own-record.ts',
    find: `    if (phase === 'ready' && held > 0) {`,
    replace: `    if (phase === 'ready' && held > 1e9) {`,
    caughtBy: 'M14',
  },
  {
    rule: 'M16',
    name: 'what is no JSON throws',
    file: 'cluster/record-codec.ts',
    find: `    value = JSON.parse(text)
  } catch {
    return null`,
    replace: `    value = JSON.parse(text)
  } catch (error) {
    throw error`,
    caughtBy: 'M16',
  },
  {
    rule: 'M16',
    name: 'any number of updates is read',
    file: 'cluster/frame-codec.ts',
    find: `from.varint(kind === 'records' ? CHUNK_RECORDS_MAX : UPDATES_MAX)`,
    replace: `from.varint()`,
    caughtBy: 'M16',
  },
  {
    rule: 'M16',
    name: 'no bound on a peer’s frames',
    file: 'cluster/links.ts',
    find: `    if (peer.tokens < 1) {`,
    replace: `    if (peer.tokens < -1e9) {`,
    caughtBy: 'M16 (floods)',
  },
  {
    rule: 'K1',
    name: 'both wires of a pair stay',
    file: 'cluster/links.ts',
    find: `    for (const { wire, dialled } of peer.wires) if (wire !== serving?.wire && dialled !== null) wire.close()`,
    replace: `    for (const { wire, dialled } of peer.wires) if (wire === null && dialled !== serving?.dialled) wire.close()`,
    caughtBy: 'one wire a pair',
  },
  {
    rule: 'K2',
    name: 'a dial that gets no answer is waited for',
    file: 'cluster/links.ts',
    find: `      dial.timer = this.#clock.after(DIAL_MS, `,
    replace: `      dial.timer = this.#clock.after(DIAL_MS * 1000, `,
    caughtBy: 'K2',
  },
]
