/** ActorCalls for those that are built before the actors can be asked: until then everything is `unavailable`, to be repeated. */
import type { ActorCalls, NoteSink, TopicCall, TopicOutcome, Upstream } from '../actors/calls.ts'
import { fail } from '../errors.ts'

const STARTING = fail('unavailable', 'this node is starting: repeat', { retryAfterMs: 500 })

export class LateCalls implements ActorCalls {
  #calls: ActorCalls | null = null

  serveBy(calls: ActorCalls): void {
    this.#calls = calls
  }

  send: ActorCalls['send'] = (call, done) => (this.#calls === null ? done(STARTING) : this.#calls.send(call, done))
  query: ActorCalls['query'] = (call, done) => (this.#calls === null ? done(STARTING) : this.#calls.query(call, done))
  topic: ActorCalls['topic'] = (call, done) => (this.#calls === null ? done(STARTING) : this.#calls.topic(call, done))
  history: ActorCalls['history'] = (call, done) => (this.#calls === null ? done(STARTING) : this.#calls.history(call, done))

  subscribe(call: TopicCall, sink: NoteSink, done: (outcome: TopicOutcome) => void): Upstream {
    if (this.#calls !== null) return this.#calls.subscribe(call, sink, done)
    done(STARTING)
    return { close: () => undefined }
  }
}
