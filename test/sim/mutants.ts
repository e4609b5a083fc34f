/**
 * What would go wrong without each rule of DESIGN: one small change of the production code a row, at least one for each of J1–J10,
 * D1–D7, D11 and H1. The properties must notice every one of them (`npm run sim:mutants`).
 */
import type { Mutant } from './mutate.ts'

export const MUTANTS: readonly Mutant[] = [
  {
    rule: 'J1',
    name: 'a place that is taken counts as won',
    file: 'actors/writer.ts',
    find: `      case 'taken':
        this.#taken(flight)`,
    replace: `      case 'taken':
        this.#committed(flight, ref, true)`,
  },
  {
    rule: 'J2',
    name: 'a new owner writes without claiming',
    file: 'actors/sealing.ts',
    find: `const claiming = at.epoch === 0`,
    replace: `const claiming = n === 1`,
  },
  {
    rule: 'J2',
    name: 'reading claims',
    file: 'actors/directory.ts',
    find: `      activation.load(false)`,
    replace: `      activation.load(true)`,
  },
  {
    rule: 'J3',
    name: 'batches do not name the one before',
    file: 'actors/sealing.ts',
    find: `previous: at.hash === null ? null : Buffer.from(at.hash, 'latin1'),`,
    replace: `previous: null,`,
  },
  {
    rule: 'J4',
    name: 'an append in doubt is repeated under a new commit id',
    file: 'actors/writer.ts',
    find: `if (this.#flight !== null) return this.#flight.append`,
    replace: `if (this.#flight !== null) return { ...this.#flight.append, commitId: this.#host.newCommitId() }`,
  },
  {
    rule: 'J4',
    name: 'a taken place is not looked at',
    file: 'actors/doubt.ts',
    find: `    if (!Buffer.from(found.commitId).equals(append.commitId)) return ['another', null]
`,
    replace: ``,
  },
  {
    rule: 'J5',
    name: 'the snapshot is written before its batch is durable',
    file: 'actors/sealing.ts',
    find: `  const owed = owedAt(memory)
`,
    replace: `  if (snapshot !== null)
    host.committer.snapshot({ actor: id, n, hash: sealed.hash, bytes: snapshot.bytes, offset: memory.offset, ref: at.ref, pages: new Map() }, () => undefined)
  const owed = owedAt(memory)
`,
  },
  {
    rule: 'J5',
    name: 'a snapshot names the place after its own',
    file: 'actors/writer.ts',
    find: `      n: at.n,`,
    replace: `      n: at.n + 1,`,
  },
  {
    rule: 'J6',
    name: 'two commits are under way at once',
    file: 'actors/committer.ts',
    find: `    this.#busy = true
    this.#host.counters.commits++`,
    replace: `    this.#host.counters.commits++`,
  },
  {
    rule: 'J7',
    name: 'replies leave before the batch is durable',
    file: 'actors/writer.ts',
    find: `if (this.#writeBehind) item.released()`,
    replace: `if (this.#writeBehind || this.#draft !== null) item.released()`,
  },
  {
    rule: 'J7',
    name: 'what a fence stopped leaves nevertheless',
    file: 'actors/requests.ts',
    find: `    if (sure || seq !== undefined || key !== undefined) this.#host.again(this)`,
    replace: `    if (sure || seq !== undefined || key !== undefined) this.answer(this.outcome)`,
  },
  {
    rule: 'J8',
    name: 'folding forgets timers',
    file: 'actors/fold.ts',
    find: `for (const [name, due, type, data, notBefore = due] of body.s ?? [])`,
    replace: `for (const [name, due, type, data, notBefore = due] of (body.s ?? []).slice(1))`,
  },
  {
    rule: 'J8',
    name: 'older code takes a newer state',
    file: 'actors/fold.ts',
    find: `if (opened.version > definition.version) return`,
    replace: `if (opened.version > definition.version + 1) return`,
  },
  {
    rule: 'J9',
    name: 'an unclean end keeps the journal id',
    file: 'actors/batch.ts',
    find: `const body: BatchBody = clean ?`,
    replace: `const body: BatchBody = clean || newest !== null ?`,
  },
  {
    rule: 'J9',
    name: 'write-behind never says that it is late',
    file: 'actors/writer.ts',
    find: `> 2 * durability.everyMs`,
    replace: `> 20 * durability.everyMs`,
  },
  {
    rule: 'J10',
    name: 'too much history is emptied',
    file: 'actors/writer.ts',
    find: `belowOffset: offset - history.keep + 1`,
    replace: `belowOffset: offset - 1`,
  },
  {
    rule: 'J10',
    name: 'an actor without history is written as batches',
    file: 'actors/sealing.ts',
    find: `const replaces = definition.history === 'none'`,
    replace: `const replaces = definition.type === 'nothing'`,
  },
  {
    rule: 'D1',
    name: 'any greater number is taken',
    file: 'actors/dedupe.ts',
    find: `    if (seq === last + 1) return base > 0 && seq - base >= this.#limits.answersKept * WINDOWS ? WINDOW : NEW // D1: only the next`,
    replace: `    if (seq > last) return NEW`,
  },
  {
    rule: 'D1',
    name: 'a used key is taken for other content',
    file: 'actors/dedupe.ts',
    find: `return known.answer.content === content ? { kind: 'repeat', answer: known.answer } : CONFLICT`,
    replace: `return known.answer.content === content ? { kind: 'repeat', answer: known.answer } : NEW`,
  },
  {
    rule: 'D1',
    name: 'a repeat does not wait at the gate',
    file: 'actors/take.ts',
    find: `      : refusalFailure(refusal, seq === 0 ? null : seq + 1)
  leave(activation, request)`,
    replace: `      : refusalFailure(refusal, seq === 0 ? null : seq + 1)
  request.released()`,
  },
  {
    rule: 'D2',
    name: 'a refusal is not recorded',
    file: 'actors/take.ts',
    find: `activation.writer.draft.refusal(`,
    replace: `void (`,
  },
  {
    rule: 'D3',
    name: 'the sender’s base is ignored',
    file: 'actors/dedupe.ts',
    find: `    if (known === undefined) return seq === Math.max(1, base) ? NEW : { kind: 'hole', next: Math.max(1, base) }`,
    replace: `    if (known === undefined) return seq === 1 ? NEW : { kind: 'hole', next: 1 }`,
  },
  {
    rule: 'D3',
    name: 'the numbers of sender actors are not restored',
    file: 'actors/dedupe.ts',
    find: `pages.size === 0 ? null : SenderPages.restore(pages)`,
    replace: `null`,
  },
  {
    rule: 'D4',
    name: 'effects leave before their batch is durable',
    file: 'actors/writer.ts',
    find: `return this.#draft?.effects?.includes(effect) !== true && this.#flight?.effects?.includes(effect) !== true`,
    replace: `return this.#draft?.effects?.includes(effect) !== true || effect.seq > 0`,
  },
  {
    rule: 'D4',
    name: 'an effect that failed is not repeated',
    file: 'actors/delivery.ts',
    find: `    channel.sent = Math.min(channel.sent, effect.seq - 1)`,
    replace: `    channel.sent = Math.max(channel.sent, effect.seq)`,
  },
  {
    rule: 'D5',
    name: 'no wake-up hint is written',
    file: 'actors/hints.ts',
    find: `    if (owed === null) return null
`,
    replace: `    if (owed === null || owed > 0) return null
`,
  },
  {
    rule: 'D5',
    name: 'a hint is dropped while something is owed',
    file: 'actors/hints.ts',
    find: `else if (owed === null) this.#own = null`,
    replace: `else this.#own = null`,
  },
  {
    rule: 'D5',
    name: 'what another owner left for memory that is behind is not looked at',
    file: 'actors/actor-engine.ts',
    find: `      endIfOvertaken(`,
    replace: `      void (`,
  },
  {
    rule: 'D5',
    name: 'nobody scans for hints',
    file: 'actors/actor-engine.ts',
    find: `    this.#waker.start()`,
    replace: `    void this.#waker`,
  },
  {
    rule: 'D6',
    name: 'a log tells of types that are not its own',
    file: 'actors/topics.ts',
    find: `if (types === null || types.includes(type)) this.#tell`,
    replace: `if (types === null || type !== '') this.#tell`,
  },
  {
    rule: 'D7',
    name: 'the last change is not told',
    file: 'actors/topics.ts',
    find: `    else if (followed.timer === null)
      followed.timer`,
    replace: `    else if (followed.timer === null && wait < 0)
      followed.timer`,
  },
  {
    rule: 'D7',
    name: 'every change is told at once',
    file: 'actors/debounce.ts',
    find: `return Math.max(0, debounce.sentAt + windowMs - now)`,
    replace: `return Math.max(0, debounce.sentAt - now)`,
  },
  {
    rule: 'H1',
    name: 'who adopts does not claim',
    file: 'actors/writer.ts',
    find: `    this.adopt(folded, false, -Infinity)`,
    replace: `    this.adopt(folded, true, -Infinity)`,
  },
  {
    rule: 'H1',
    name: 'an actor is handed over before its batch is decided',
    file: 'actors/writer.ts',
    find: `    if (!this.quiet) return 'busy'`,
    replace: `    if (!this.quiet) return forGood ? 'ready' : 'busy'`,
  },
  {
    rule: 'H1',
    name: 'the bundle forgets who sent what',
    file: 'actors/handoff.ts',
    find: `    const { bytes } = whole ?? encodeSnapshot(header, memory, definition.version, host.dropTime, true)`,
    replace: `    const { bytes } = encodeSnapshot(header, { ...memory, dedupe: null }, definition.version, host.dropTime, true)`,
  },
  {
    rule: 'H1',
    name: 'sender actors are left out of the bundle',
    file: 'actors/handoff.ts',
    find: `    const { bytes } = whole ?? encodeSnapshot(header, memory, definition.version, host.dropTime, true)`,
    replace: `    const { bytes } = encodeSnapshot(header, memory, definition.version, host.dropTime, false)`,
  },
  {
    rule: 'H1',
    name: 'who gave an actor up goes on serving it',
    file: 'actors/activation.ts',
    find: `  left(sure: boolean): void {
`,
    replace: `  left(sure: boolean): void {
    const leaving = this.#leaving
    this.#leaving = null
    this.#life = 'live'
    if (sure && this.memory !== NO_MEMORY) return leaving?.end()
    this.#leaving = leaving
`,
  },
  {
    rule: 'H1',
    name: 'answers that were not written are taken for written',
    file: 'actors/writer.ts',
    find: `    if (this.answered?.none !== false && !this.unclean`,
    replace: `    if ((forGood || this.answered?.none !== false) && !this.unclean`,
  },
  {
    rule: 'D5',
    name: 'the old owner’s hint is taken for an own one',
    file: 'actors/writer.ts',
    find: `this.#hints.found(hint, 0, null)`,
    replace: `this.#hints.found(hint, Infinity, null)`,
  },
  {
    rule: 'J8',
    name: 'older code takes a newer bundle',
    file: 'actors/handoff.ts',
    find: `bundle.version > definition.version`,
    replace: `bundle.version > definition.version + 1`,
  },
  {
    rule: 'J7',
    name: 'a node that was declared dead leaves requests unanswered',
    file: 'actors/activation.ts',
    find: `    this.#end(failure, 'other', false)
`,
    replace: `    if (failure === null) this.memory = NO_MEMORY
    else this.#end(failure, 'other', false)
`,
  },
  {
    rule: 'D11',
    name: 'a strict read takes an older proof',
    file: 'actors/reads.ts',
    find: `call.strict === true ? Infinity : (call.provenSince ?? -Infinity)`,
    replace: `call.provenSince ?? -Infinity`,
  },
  {
    rule: 'D11',
    name: 'a proof is good for ever',
    file: 'actors/reads.ts',
    find: `writer.proofAt < host.options.readProofMs`,
    replace: `writer.proofAt < Infinity`,
  },
  {
    rule: 'D11',
    name: 'a read answers from before what its asker has seen',
    file: 'actors/reads.ts',
    find: `(fresh && atLeast <= activation.memory.offset)`,
    replace: `fresh`,
  },
  {
    rule: 'order',
    name: 'who waits for the claim goes behind those that came after it',
    file: 'actors/activation.ts',
    find: `this.#mailbox.unshift(task) // those`,
    replace: `this.#mailbox.push(task) // those`,
  },
]
