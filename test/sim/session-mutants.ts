/** What would go wrong between clients and gateways without D1, D4, D5 and D7–D10: one small change of the production code a row, at least one for each property of gateway-checks/. */
import type { Mutant } from './mutate.ts'

const CONNECTION = 'gateway/connection.ts'
const LATEST = 'gateway/latest-subscription.ts'
const LOG = 'gateway/log-subscription.ts'
const UPSTREAMS = 'gateway/upstreams.ts'
const LANE = 'client/lane.ts'
const SUBSCRIPTION = 'client/subscription.ts'

const ROWS: readonly Mutant[] = [
  {
    rule: 'J7',
    name: 'replies leave before the batch is durable',
    file: 'actors/writer.ts',
    find: `if (this.#writeBehind) item.released()`,
    replace: `if (this.#writeBehind || this.#draft !== null) item.released()`,
  },
  {
    rule: 'J7',
    name: 'a repeat does not wait at the gate',
    file: 'actors/take.ts',
    find: `      : refusalFailure(refusal, seq === 0 ? null : seq + 1)
  leave(activation, request)`,
    replace: `      : refusalFailure(refusal, seq === 0 ? null : seq + 1)
  request.released()`,
  },
  {
    rule: 'D1',
    name: 'sessions of a user share their numbers',
    file: 'gateway/requests.ts',
    find: 'call.source = `session:${open.session}`',
    replace: 'call.source = `session:${sub}`',
  },
  {
    rule: 'D1',
    name: 'keys are lost on their way',
    file: 'gateway/requests.ts',
    find: `  if (key !== undefined) call.key = qualifiedKey(sub, key)
`,
    replace: ``,
  },
  {
    rule: 'D1',
    name: 'what may have been applied goes on under a new number in a new session',
    file: LANE,
    find: `      if (send.unknown && send.key === undefined) this.#drop(send, unknownOutcome(send, 'The session was lost before the answer came'))
`,
    replace: ``,
  },
  {
    rule: 'D1',
    name: 'a session that is resumed begins its numbers anew',
    file: 'client/client.ts',
    find: `this.#outbox.welcomed(welcome.actor, resumed)`,
    replace: `this.#outbox.welcomed(welcome.actor, false)`,
  },
  {
    rule: 'D1',
    name: 'a refusal of a number that was used is taken for one that was not',
    file: LANE,
    find: `this.#renumberFrom(Math.max(due, this.#used + 1))`,
    replace: `this.#renumberFrom(due - 1)`,
  },
  {
    rule: 'order',
    name: 'a number that was used is taken again',
    file: 'actors/dedupe.ts',
    find: `    if (seq === last + 1) return base`,
    replace: `    if (seq <= last + 1) return base`,
  },
  {
    rule: 'D7',
    name: 'the window does not hold for what a gateway writes',
    file: LATEST,
    find: `if (monoMs < due) {`,
    replace: `if (monoMs < due - everyMs) {`,
  },
  {
    rule: 'D7',
    name: 'what came within the window is not written after it',
    file: LATEST,
    find: `      this.#source.offerAt(due)
`,
    replace: ``,
  },
  {
    rule: 'D8',
    name: 'an upstream that ended is not asked for again',
    file: UPSTREAMS,
    find: `    this.#retry = this.retryIn(this.#attempt++, () => {
      if (this.#phase === 'down') this.#ask()
    })`,
    replace: ``,
  },
  {
    rule: 'D8',
    name: 'an upstream stays when the last of its subscriptions has gone',
    file: UPSTREAMS,
    find: `if (this.#members.size > 0 || this.#joins > 0 || this.#phase === 'closed') return`,
    replace: `if (this.#members.size > 0 || this.#joins > 0 || this.#phase !== 'down') return`,
  },
  {
    rule: 'D8',
    name: 'subscriptions outlive their connection',
    file: CONNECTION,
    find: `    this.#table?.endAll()
`,
    replace: ``,
  },
  {
    rule: 'D8',
    name: 'what an upstream followed at its owner is not let go of',
    file: UPSTREAMS,
    find: `    this.#feed?.close()
    this.#feed = null`,
    replace: `    this.#feed = null`,
  },
  {
    rule: 'D9',
    name: 'the newest value is written whether the socket has room or not',
    file: LATEST,
    find: `note.offset <= this.#offset || !this.#subscriber.room) return`,
    replace: `note.offset <= this.#offset) return`,
  },
  {
    rule: 'D9',
    name: 'a log is written whether the socket has room or not',
    file: LOG,
    find: `    if (this.#subscriber.room) this.#write(note)
    else this.#phase = 'behind'`,
    replace: `    this.#write(note)`,
  },
  {
    rule: 'D9',
    name: 'a log that fell behind does not pull when there is room',
    file: LOG,
    find: `if (this.#phase === 'behind' && this.#subscriber.room) this.#pull()`,
    replace: `if (this.#phase === 'closed' && this.#subscriber.room) this.#pull()`,
  },
  {
    rule: 'D9',
    name: 'who takes nothing is never closed',
    file: 'gateway/stall.ts',
    find: `return tick - this.#since >= ticksMax`,
    replace: `return tick - this.#since >= ticksMax * 1e9`,
  },
  {
    rule: 'D9',
    name: 'who takes a little is closed',
    file: 'gateway/stall.ts',
    find: `if (takenBytes !== this.#takenBytes) {`,
    replace: `if (takenBytes < 0) {`,
  },
  {
    rule: 'D9',
    name: 'a connection is read however many of its requests are unanswered',
    file: 'gateway/intake.ts',
    find: `if (full === this.#paused || reader.closing) return`,
    replace: `if (full || full === this.#paused || reader.closing) return`,
  },
  {
    rule: 'D9',
    name: 'a connection that was not read is not read again',
    file: 'gateway/intake.ts',
    find: `    reader.reads(!full)`,
    replace: `    if (full) reader.reads(!full)`,
  },
  {
    rule: 'D10',
    name: 'what is no longer kept is not reported',
    file: LOG,
    find: `    this.#subscriber.gap(this, this.#offset + 1, lost, undefined)
`,
    replace: ``,
  },
  {
    rule: 'D10',
    name: 'what cannot be replayed for one who comes back is not reported',
    file: LOG,
    find: `    if (start.gap !== null) this.#subscriber.gap(this, start.gap.from, start.gap.to, undefined)
`,
    replace: ``,
  },
  {
    rule: 'D10',
    name: 'a gap is told of what is kept',
    file: 'gateway/subscription.ts',
    find: `  if (from.offset + 1 >= state.oldest || from.offset === state.offset)`,
    replace: `  if (from.offset === state.offset)`,
  },
  {
    rule: 'D10',
    name: 'who comes back begins with what is new',
    file: SUBSCRIPTION,
    find: `this.#position = { journal, offset: follows && !news ? asked.offset : offset }`,
    replace: `this.#position = { journal, offset }`,
  },
  {
    rule: 'D10',
    name: 'a resumed session gets another name',
    file: 'gateway/admission.ts',
    find: `  const { session, who, device, expiresAt: ticketUntil } = held`,
    replace: `  const { who, device, expiresAt: ticketUntil } = held
  const session = \`\${held.session}-again\``,
  },
  {
    rule: 'D10',
    name: 'the connection before stays when its session connects again',
    file: CONNECTION,
    find: `      before.bye(CLOSE.replaced, 'this session has connected again')
`,
    replace: ``,
  },
  {
    rule: 'D10',
    name: 'a client whose connection broke does not come back',
    file: 'client/connection.ts',
    find: `(end.bye === undefined ? !reconnects(end.code) : !end.bye.reconnect)`,
    replace: `(end.bye === undefined || !end.bye.reconnect)`,
  },
  {
    rule: 'H2',
    name: 'a gateway that drains gives its clients no time',
    file: 'gateway/drain.ts',
    find: `  if (await allGone(options.drainSpreadMs)) return
`,
    replace: ``,
  },
  {
    rule: 'D4',
    name: 'the numbers of sender actors are not restored',
    file: 'actors/dedupe.ts',
    find: `pages.size === 0 ? null : SenderPages.restore(pages)`,
    replace: `null`,
  },
  {
    rule: 'D5',
    name: 'that a timer has fired is not written',
    file: 'actors/timers.ts',
    find: `if (memory.timers?.delete(name) === true) writer.draft.timer(name, null)`,
    replace: `if (memory.timers?.delete(name) === true && writer === undefined) writer.draft.timer(name, null)`,
  },
  {
    rule: 'D5',
    name: 'a timer that was cancelled fires nevertheless',
    file: 'actors/take.ts',
    find: `    if (due === null) dropTimer(host, activation, name)
    else setTimer`,
    replace: `    if (due !== null) setTimer`,
  },
  {
    rule: 'D5',
    name: 'folding forgets timers',
    file: 'actors/fold.ts',
    find: `for (const [name, due, type, data, notBefore = due] of body.s ?? [])`,
    replace: `for (const [name, due, type, data, notBefore = due] of (body.s ?? []).slice(1))`,
  },
  {
    rule: 'D5',
    name: 'a timer that is replaced fires, too',
    file: 'actors/timers.ts',
    find: `!activation.over && activation.memory.timers?.get(name) === timer`,
    replace: `!activation.over`,
  },
]

export const SESSION_MUTANTS: readonly Mutant[] = ROWS.map((mutant) => ({ ...mutant, kind: 'gateway' }))
