/**
 * Questions that nodes ask each other for their operators (figures, an actor's inspection, a drain): a name, JSON there and JSON back. Rare and
 * small, so they are not under credit (node-request.ts); in its stead:
 *
 *  1. At most QUESTIONS_MAX of this node are under way, and as many of each other node here; the next is `overloaded`.
 *  2. A question has at most QUESTION_CHARS characters, an answer ANSWER_CHARS.
 *  3. Each is answered once, or given up after its time; what an answer that comes later says is lost.
 *  4. A question that the asked node does not know is `not_found`; a node too old for questions at all says nothing, which is a `timeout`.
 */
import type { Clock } from '../base/clock.ts'
import type { Deadlines } from '../base/deadline.ts'
import type { Log } from '../base/log.ts'
import { fail, type Failure } from '../errors.ts'
import type { AnsweringLink } from './answering-link.ts'
import { writeAsk, writeFailed, writeTold } from './link-encode.ts'
import type { AskFrame } from './link-frames.ts'
import type { Links } from './links.ts'
import { NodeRequest, type NodeAnswer } from './node-request.ts'
import type { Routes } from './routes.ts'

export interface Told {
  readonly ok: true
  /** JSON text. */
  readonly json: string
}

/** Answers a question of another node, or of this one. null: it is not known. Must resolve; whether by a failure or an answer. */
export type Asked = (what: string, json: string) => Promise<Told | Failure> | null

export interface QuestionParts {
  readonly clock: Clock
  readonly log: Log
  readonly deadlines: Deadlines
  readonly routes: Routes
  readonly links: Links
  readonly asked: Asked
}

export const QUESTION_CHARS: number = 64 * 1024
export const ANSWER_CHARS: number = 10 * 1024 * 1024
export const QUESTIONS_MAX = 256
export const QUESTION_MS_MAX = 60_000

const MANY: Failure = fail('overloaded', 'too many questions to other nodes are under way: ask again later', { retryAfterMs: 500 })
const MANY_HERE: Failure = fail('overloaded', 'that node has too many questions of this one to answer: ask again later', {
  retryAfterMs: 500,
})
const CROWDED: Failure = fail('overloaded', 'this node’s answers wait for the network: ask again later', { retryAfterMs: 500 })

export class Questions {
  readonly #parts: QuestionParts
  readonly #here = new WeakMap<AnsweringLink, number>()
  #underWay = 0

  constructor(parts: QuestionParts) {
    this.#parts = parts
  }

  /** Of this node that are not answered. */
  get pending(): number {
    return this.#underWay
  }

  ask(node: string, what: string, json: string, timeoutMs: number): Promise<Told | Failure> {
    const { routes, links, deadlines } = this.#parts
    if (json.length > QUESTION_CHARS) return Promise.resolve(fail('too_large', `a question has at most ${QUESTION_CHARS} characters`))
    if (node === routes.view?.self.id) return this.#answer(what, json)
    const member = routes.reachable(node)
    if (member === null) return Promise.resolve(this.#absent(node))
    const link = links.to(member)
    if (link === null) return Promise.resolve(fail('unavailable', 'this node is stopping: ask another'))
    if (this.#underWay >= QUESTIONS_MAX) return Promise.resolve(MANY)
    const forMs = Math.min(QUESTION_MS_MAX, Math.max(1, Math.ceil(timeoutMs)))
    this.#underWay++
    return new Promise((resolve) => {
      const told = (answer: NodeAnswer): void => {
        this.#underWay--
        resolve(outcomeOf(answer, node, forMs))
      }
      link.askNow(new NodeRequest(deadlines, forMs, (out, id) => writeAsk(out, id, forMs, what, json), told))
    })
  }

  #absent(node: string): Failure {
    const member = this.#parts.routes.view?.members.find(({ id }) => id === node)
    if (member === undefined) return fail('not_found', `there is no node '${node}'`)
    return fail('unavailable', `node '${node}' is ${member.liveness}: it cannot be asked`)
  }

  asked(link: AnsweringLink, { id, timeoutMs, what, json }: AskFrame): void {
    const { clock } = this.#parts
    const here = this.#here.get(link) ?? 0
    let over = false
    const answer = (outcome: Told | Failure): void => {
      if (over) return
      over = true
      timer?.cancel()
      this.#here.set(link, Math.max(0, (this.#here.get(link) ?? 0) - 1))
      this.#tell(link, id, outcome)
    }
    if (here >= QUESTIONS_MAX || json.length > QUESTION_CHARS) {
      this.#tell(link, id, here >= QUESTIONS_MAX ? MANY_HERE : fail('too_large', `a question has at most ${QUESTION_CHARS} characters`))
      return
    }
    this.#here.set(link, here + 1)
    // Its place is free again when nobody waits any more, whatever becomes of the answer (1).
    const forMs = Math.min(QUESTION_MS_MAX, timeoutMs)
    const timer = clock.after(forMs, () => answer(fail('timeout', `'${what}' took longer than ${forMs} ms here`)))
    void this.#answer(what, json).then(answer)
  }

  #tell(link: AnsweringLink, id: number, outcome: Told | Failure): void {
    if (link.over) return
    if (!outcome.ok) writeFailed(link.out, id, outcome)
    else if (link.crowded) writeFailed(link.out, id, CROWDED)
    else if (outcome.json.length > ANSWER_CHARS) writeFailed(link.out, id, fail('too_large', 'the answer is too large to cross nodes'))
    else writeTold(link.out, id, outcome.json)
    link.wrote()
  }

  /** Never rejects. */
  async #answer(what: string, json: string): Promise<Told | Failure> {
    try {
      const answer = this.#parts.asked(what, json)
      return (await answer) ?? fail('not_found', `this node does not know the question '${what}': it may run another version`)
    } catch (error) {
      this.#parts.log.error({ what }, `a question threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      return fail('internal', `the question '${what}' failed on that node; its log says more`)
    }
  }
}

function outcomeOf(answer: NodeAnswer, node: string, forMs: number): Told | Failure {
  if (answer === 'late') return fail('timeout', `node '${node}' did not answer within ${forMs} ms`)
  if (answer === 'lost') return fail('unavailable', `the connection to node '${node}' was lost: ask again`)
  if (answer.t === 'told') return { ok: true, json: answer.json }
  if (answer.t === 'failed') return answer.failure
  return fail('internal', `node '${node}' answered a question with '${answer.t}'`)
}
