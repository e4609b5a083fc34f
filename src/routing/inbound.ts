/**
 * What other nodes ask of this one. It serves an actor that it owns in its own view, or still has in memory; for any other it answers
 * `moved`, never asks a third node itself: so a request makes one hop a try, and its sender, who knows its order, tries again.
 */
import type { HistoryPage, SendOutcome, TopicOutcome } from '../actors/calls.ts'
import { decodeBundle } from '../actors/engine.ts'
import { fail, type Failure } from '../errors.ts'
import type { AnsweringLink } from './answering-link.ts'
import type { RoutingCounters } from './counters.ts'
import type { Handoff } from './handoff.ts'
import type { Leases } from './leases.ts'
import { writeAnswered, writeFailed, writeHanded, writeMoved, writePage, writePulled, writeReplied, writeState } from './link-encode.ts'
import type { AskingFrame, BundleFrame, HistoryFrame, PullFrame, QueryFrame, SendFrame, TopicFrame } from './link-frames.ts'
import type { Local } from './local.ts'
import type { LocalEngine } from './ports.ts'
import type { Pulls } from './pulls.ts'
import type { Questions } from './questions.ts'
import { movedOf } from './repeats.ts'
import type { Routes } from './routes.ts'
import type { ViewSync } from './view-sync.ts'

export interface InboundParts {
  readonly routes: Routes
  readonly local: Local
  readonly pulls: Pulls
  readonly leases: Leases
  readonly handoff: Handoff
  readonly questions: Questions
  readonly sync: ViewSync
  readonly counters: RoutingCounters
}

type ReadFrame = QueryFrame | TopicFrame | HistoryFrame

const CROWDED: Failure = fail('overloaded', 'this node’s answers wait for the network: ask again later', { retryAfterMs: 500 })
const FULL: Failure = fail('overloaded', 'the asking node has too many subscriptions here', { retryAfterMs: 1000 })
const USED: Failure = fail('internal', 'the number of this subscription is in use')
/** An answer takes up to three bytes a character, and all that waits on a wire is at most 64 MiB. */
const CROSSING_CHARS = 10 * 1024 * 1024
const TOO_LARGE: Failure = fail('too_large', `an answer that crosses nodes has at most ${CROSSING_CHARS} characters: ask for less`)
const NOTHING = new Uint8Array(0)
/** What a request takes besides its data, about. */
const REQUEST_BYTES = 128

export class Inbound {
  readonly #parts: InboundParts

  constructor(parts: InboundParts) {
    this.#parts = parts
  }

  asked(link: AnsweringLink, frame: Exclude<AskingFrame, { t: 'hello' | 'seen' }>, bytes: number): void {
    switch (frame.t) {
      case 'send':
        return this.#send(link, frame, bytes)
      case 'query':
      case 'topic':
      case 'subscribe':
      case 'history':
        return this.#read(link, frame, bytes)
      case 'unsubscribe':
        return this.#parts.leases.unsubscribe(link, frame.sub)
      case 'renew':
        return this.#parts.leases.renew(link, frame.renewals)
      case 'pull':
        return this.#pull(link, frame)
      case 'bundle':
        return this.#bundle(link, frame)
      case 'finished':
        return this.#parts.pulls.finished(link.peer.id, frame.viewHash)
      case 'ask':
        return this.#parts.questions.asked(link, frame)
    }
  }

  #serves(actor: string): boolean {
    const { local, routes } = this.#parts
    return local.has(actor) || (local.engine !== null && routes.mine(actor))
  }

  // ── Sends ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #send(link: AnsweringLink, frame: SendFrame, bytes: number): void {
    const { id, call } = frame
    if (link.barred(call.actor) || !this.#serves(call.actor)) {
      this.#moved(link, id, call.actor, true, 0)
      link.answered(bytes)
      return
    }
    this.#parts.counters.served++
    this.#parts.local.send(call, bytes + REQUEST_BYTES, (outcome) => this.#sent(link, id, call.actor, bytes, outcome))
  }

  #sent(link: AnsweringLink, id: number, actor: string, bytes: number, outcome: SendOutcome): void {
    if (link.over) return
    if (outcome.ok) {
      writeReplied(link.out, id, outcome.offset, outcome.durable, outcome.duplicate)
      link.wrote()
    } else this.#failed(link, id, actor, outcome, true)
    link.answered(bytes)
  }

  #failed(link: AnsweringLink, id: number, actor: string, failure: Failure, isSend: boolean): void {
    const moved = movedOf(failure)
    if (moved !== null) return this.#moved(link, id, actor, isSend, moved.minVersion)
    writeFailed(link.out, id, failure)
    link.wrote()
  }

  #moved(link: AnsweringLink, id: number, actor: string, isSend: boolean, minVersion: number): void {
    const { routes, counters, sync } = this.#parts
    counters.movedAnswers++
    const owner = routes.ownerOf(actor, minVersion)
    const named = owner === null || routes.isSelf(owner) ? '' : owner.id
    writeMoved(link.out, id, isSend ? link.bar(actor) : 0, routes.hash, named, minVersion)
    link.wrote()
    sync.moved(link.peer.id, link.viewHash)
  }

  // ── Reads and subscriptions ────────────────────────────────────────────────────────────────────────────────────────

  #read(link: AnsweringLink, frame: ReadFrame, bytes: number): void {
    const { id } = frame
    const { actor } = frame.call
    const failed = (failure: Failure): void => {
      if (link.over) return
      this.#failed(link, id, actor, failure, false)
      link.answered(bytes)
    }
    if (!this.#serves(actor)) {
      this.#moved(link, id, actor, false, 0)
      link.answered(bytes)
      return
    }
    this.#parts.counters.served++
    this.#parts.local.read(actor, (engine) => {
      if (engine === null) failed(fail('moved', 'not here now'))
      else this.#ask(engine, link, frame, bytes, failed)
    })
  }

  #ask(engine: LocalEngine, link: AnsweringLink, frame: ReadFrame, bytes: number, failed: (failure: Failure) => void): void {
    const { id } = frame
    /** R1: answers need no credit, so big ones are refused while many wait. Says whether it was given. */
    const answer = (write: () => void, chars: number): boolean => {
      if (link.over) return false
      if (link.crowded || chars > CROSSING_CHARS) {
        failed(link.crowded ? CROWDED : TOO_LARGE)
        return false
      }
      write()
      link.wrote()
      link.answered(bytes)
      return true
    }
    switch (frame.t) {
      case 'query':
        return this.#parts.local.query(engine, frame.call, (outcome) => {
          if (outcome.ok) answer(() => writeAnswered(link.out, id, outcome.offset, outcome.json), outcome.json.length)
          else failed(outcome)
        })
      case 'topic':
        return this.#parts.local.topic(engine, frame.call, (outcome) => {
          if (outcome.ok) answer(() => writeState(link.out, id, outcome), outcome.json?.length ?? 0)
          else failed(outcome)
        })
      case 'history':
        return this.#parts.local.history(engine, frame.call, (outcome) => {
          if (outcome.ok) answer(() => writePage(link.out, id, outcome), charsOf(outcome))
          else failed(outcome)
        })
      case 'subscribe':
        return this.#subscribe(engine, link, frame, answer, failed)
    }
  }

  #subscribe(
    engine: LocalEngine,
    link: AnsweringLink,
    frame: TopicFrame,
    answer: (write: () => void, chars: number) => boolean,
    failed: (failure: Failure) => void,
  ): void {
    const { leases, local } = this.#parts
    if (link.crowded) return failed(CROWDED)
    if (!leases.room(link)) return failed(FULL)
    const lease = leases.lease(link, frame.id, frame.call)
    // The engine may answer before it returns the upstream.
    let answered: TopicOutcome | null = null
    const begin = (outcome: TopicOutcome): void => {
      if (!outcome.ok) failed(outcome)
      else if (!leases.begin(lease, outcome, upstream)) {
        upstream.close()
        if (!link.over) failed(USED)
      } else if (!answer(() => writeState(link.out, frame.id, outcome), outcome.json?.length ?? 0)) leases.drop(lease)
    }
    let returned = false
    const upstream = local.subscribe(engine, frame.call, lease, (outcome) => {
      answered = outcome
      if (returned) begin(outcome)
    })
    returned = true
    if (answered !== null) begin(answered)
  }

  // ── Handoff ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #pull(link: AnsweringLink, { id, actor }: PullFrame): void {
    const answer = (bytes: Uint8Array | null): void => {
      this.#parts.pulls.gave(actor, link.peer.id)
      if (link.over) return
      writePulled(link.out, id, bytes ?? NOTHING, this.#parts.handoff.finishedHash)
      link.wrote()
    }
    // One of the two does not know the newest placement.
    if (this.#parts.routes.mine(actor)) this.#parts.sync.moved(link.peer.id, link.viewHash)
    // A bundle that waits for the network helps nobody: the new owner reads the store.
    if (link.crowded) answer(null)
    else this.#parts.handoff.pulled(actor, answer)
  }

  #bundle(link: AnsweringLink, { id, actor, bytes }: BundleFrame): void {
    const { local, routes, pulls, counters, sync } = this.#parts
    const bundle = routes.mine(actor) ? decodeBundle(bytes) : null
    const told = (taken: boolean): void => {
      if (link.over) return
      writeHanded(link.out, id, taken)
      link.wrote()
    }
    // Said when the claim is durable: so the old owner sends no more at once than the store here takes.
    if (bundle !== null && bundle.actor === actor && local.engine?.adopt(bundle, told) === true) counters.adopted++
    else {
      sync.moved(link.peer.id, link.viewHash)
      told(false)
    }
    pulls.arrived(actor)
  }
}

function charsOf({ entries }: HistoryPage): number {
  return entries.reduce((sum, { json }) => sum + json.length, 0)
}
