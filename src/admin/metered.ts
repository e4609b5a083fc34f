/** ActorCalls that measure how long sends take, from the call to its answer (after the output gate: durable, J7). */
import type { ActorCalls } from '../actors/calls.ts'
import type { Clock } from '../base/clock.ts'
import type { LatencyHistogram } from './latency.ts'

export function metered(calls: ActorCalls, clock: Clock, latency: LatencyHistogram): ActorCalls {
  return {
    send: (call, done) => {
      const begun = clock.mono()
      calls.send(call, (outcome) => {
        latency.record(clock.mono() - begun)
        done(outcome)
      })
    },
    query: (call, done) => calls.query(call, done),
    topic: (call, done) => calls.topic(call, done),
    subscribe: (call, sink, done) => calls.subscribe(call, sink, done),
    history: (call, done) => calls.history(call, done),
  }
}
