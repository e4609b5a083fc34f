/**
 * Answering from memory (DESIGN D11, J7): the memory must be proven the newest, recently or, for `strict`, since the question came;
 * and what the answer shows must be durable before it leaves.
 */
import { fail, type Failure } from '../errors.ts'
import type { Activation } from './activation.ts'
import type { HistoryCall, HistoryOutcome, QueryCall, QueryOutcome, TopicCall, TopicOutcome, TopicState } from './calls.ts'
import { readHistory } from './history.ts'
import type { Host } from './host.ts'
import type { ReadRequest, Task } from './requests.ts'
import { unknownName } from './unknown-name.ts'

export function answerQuery(host: Host, activation: Activation, request: ReadRequest<QueryCall, QueryOutcome>): void {
  const { call } = request
  const query = activation.definition.queries.get(call.name)
  if (query === undefined) {
    request.answer(fail('unknown_query', unknownName(activation.definition.type, 'query', call.name, activation.definition.queries)))
    return
  }
  prove(host, activation, call.strict === true ? Infinity : (call.provenSince ?? -Infinity), call.atLeast ?? 0, request, () => {
    const begunAt = host.clock.mono()
    const { id, key, memory, definition } = activation
    const ctx = { id, type: definition.type, key, now: Math.max(host.clock.now(), memory.lastAt) }
    const answer = evaluate(() => query(memory.state, call.args, ctx), call.name, host)
    const tookMs = host.clock.mono() - begunAt
    if (tookMs > host.options.turnBudgetMs) {
      host.counters.slowTurns++
      host.log.warn({ actor: activation.id, query: call.name, tookMs: Math.round(tookMs) }, 'a query ran over its time budget')
    }
    release(activation, request, typeof answer === 'string' ? { ok: true, json: answer, offset: activation.memory.offset } : answer)
  })
}

/** `follow`: registers the subscriber at the moment the answer leaves, knowing what the answer shows. */
export function answerTopic(
  host: Host,
  activation: Activation,
  request: ReadRequest<TopicCall, TopicOutcome>,
  follow: ((knows: number) => void) | null,
): void {
  const { call } = request
  const topic = activation.definition.topics.get(call.topic)
  if (topic === undefined) {
    request.answer(fail('unknown_topic', unknownName(activation.definition.type, 'topic', call.topic, activation.definition.topics)))
    return
  }
  prove(host, activation, call.provenSince ?? -Infinity, call.atLeast ?? 0, request, () => {
    const { memory, writer, definition } = activation
    const json = topic.kind === 'view' ? activation.project(call.topic) : undefined
    if (json === null) {
      request.answer(fail('internal', `the view '${call.topic}' failed; the node’s log says more`))
      return
    }
    if (json !== undefined && json.length > host.options.answerBytes) {
      request.answer(fail('too_large', `the view has ${json.length} bytes; the limit is ${host.options.answerBytes}`))
      return
    }
    const { offset } = memory
    const changed = topic.kind === 'signal' ? (memory.marks?.get(call.topic) ?? 0) : offset
    const state = (): TopicState => ({
      ok: true,
      kind: topic.kind,
      journal: memory.journal,
      epoch: writer.claimedEpoch,
      offset,
      changed,
      oldest: oldestKept(definition.history, offset),
      everyMs: topic.kind === 'log' ? 0 : (topic.everyMs ?? host.options.notifyEveryMs),
      ...(json !== undefined && { json }),
      ...(topic.kind === 'log' && { types: topic.types }),
    })
    activation.gate({
      released: () => {
        if (request.over) return
        // What was at the gate before it may have ended the activation: nobody would tell this subscriber anything.
        if (activation.over) {
          request.moved()
          return
        }
        follow?.(offset)
        request.answer(state())
      },
      moved: () => request.moved(),
      failed: (failure) => request.failed(failure),
    })
  })
}

export function answerHistory(host: Host, activation: Activation, request: ReadRequest<HistoryCall, HistoryOutcome>): void {
  prove(host, activation, request.call.provenSince ?? -Infinity, 0, request, () => {
    void readHistory(host, activation, request.call).then((outcome) => request.answer(outcome))
  })
}

/** An estimate: emptied batches are whole, so a few more may still be there. */
function oldestKept(history: Activation['definition']['history'], offset: number): number {
  if (history === 'all') return 1
  return history === 'none' ? offset + 1 : Math.max(1, offset - history.keep + 1)
}

function evaluate(run: () => unknown, name: string, host: Host): string | Failure {
  try {
    const value = run()
    if (value instanceof Promise) {
      value.catch(() => undefined)
      return fail('internal', `the query '${name}' returned a promise: queries are synchronous`)
    }
    const json = (JSON.stringify(value) as string | undefined) ?? 'null'
    return json.length > host.options.answerBytes
      ? fail('too_large', `the answer has ${json.length} bytes; the limit is ${host.options.answerBytes}`)
      : json
  } catch (error) {
    host.log.error({ query: name }, `a query threw: ${String(error)}`)
    return fail('internal', `the query '${name}' failed; the node’s log says more`)
  }
}

function release(activation: Activation, request: ReadRequest<QueryCall, QueryOutcome>, outcome: QueryOutcome): void {
  activation.gate({
    released: () => request.answer(outcome),
    moved: () => request.moved(),
    failed: (failure) => request.failed(failure),
  })
}

/** Who waits for a proof: nobody any more, or asked again elsewhere, or told why there is none. */
interface Asker {
  readonly over: boolean
  moved(sure: boolean): void
  failed(failure: Failure): void
}

/** What was decided by the memory, and nothing else will show to be so, leaves when the memory is proven newest as for a query. */
export function proveDecided(host: Host, activation: Activation, asker: Asker, then: () => void): void {
  prove(host, activation, -Infinity, 0, asker, then)
}

/** Runs `then` when the memory is proven newest, at once if it is: by a proof that began lately, and after `since`. */
function prove(host: Host, activation: Activation, since: number, atLeast: number, request: Asker, then: () => void): void {
  const { writer } = activation
  const fresh = writer.proofAt > since && host.clock.mono() - writer.proofAt < host.options.readProofMs
  // A batch that is still open will be appended after now: its success is the proof, and the answer waits for it.
  const byAppend = activation.definition.durability === 'event' && writer.hasDraft
  if (byAppend || (fresh && atLeast <= activation.memory.offset)) {
    then()
    return
  }
  const moved = (): void => request.moved(true)
  const failed = (failure: Failure): void => request.failed(failure)
  host.proofs.ask(activation.id, (answer) => {
    if (request.over) return
    if (answer === null) {
      request.failed(UNPROVEN)
      return
    }
    if (activation.over) {
      request.moved(true)
      return
    }
    if (!activation.known) {
      // It claims meanwhile: the newest place may be that claim. What is read then is judged anew.
      const again: Task = { run: () => prove(host, activation, since, atLeast, request, then), moved, failed }
      activation.offer(again, false)
      return
    }
    // With a batch in flight the newest place may be that batch: its verdict tells.
    writer.gateFlight({
      released: () => {
        if (answer.n > writer.n) {
          activation.stale()
          request.moved(true)
          return
        }
        writer.proofAt = Math.max(writer.proofAt, answer.begunAt)
        activation.offer({ run: then, moved, failed }, false)
      },
      moved,
      failed,
    })
  })
}

const UNPROVEN = fail('store_unavailable', 'the store cannot prove this actor’s memory newest now: repeat later', { retryAfterMs: 500 })
