/** An engine with eyes: what it is asked and what it answers, in the instant that it does. It changes nothing. */
import type {
  NoteSink,
  QueryCall,
  QueryOutcome,
  SendCall,
  SendOutcome,
  TopicCall,
  TopicOutcome,
  TopicState,
  Note,
  HistoryCall,
  HistoryPage,
} from '../../src/actors/calls.ts'
import type { Bundle, Engine } from '../../src/actors/engine.ts'
import type { Life } from './sim-node.ts'

export interface Eyes {
  sent(call: SendCall, outcome: SendOutcome, life: Life): void
  answered(call: QueryCall, beganUs: number, outcome: QueryOutcome, life: Life): void
  subscribed(call: TopicCall, state: TopicState, life: Life): void
  noted(call: TopicCall, note: Note, upstream: object, life: Life): void
  paged(call: HistoryCall, page: HistoryPage, life: Life): void
  released(actor: string, bundle: Bundle | null, life: Life): void
  adopted(bundle: Bundle, taken: boolean, life: Life): void
  /** It is over: nothing may come from it any more. */
  disowning(life: Life): void
  nowUs(): number
}

export function observed(engine: Engine, life: Life, eyes: Eyes): Engine {
  return {
    send: (call, done) =>
      engine.send(call, (outcome) => {
        if (life.alive) eyes.sent(call, outcome, life)
        done(outcome)
      }),
    query: (call, done) => {
      const beganUs = eyes.nowUs()
      engine.query(call, (outcome) => {
        if (life.alive) eyes.answered(call, beganUs, outcome, life)
        done(outcome)
      })
    },
    topic: (call, done) => engine.topic(call, done),
    subscribe: (call, sink, done) => {
      const upstream = {}
      const watched: NoteSink = {
        note: (note) => {
          if (life.alive) eyes.noted(call, note, upstream, life)
          sink.note(note)
        },
        ended: () => sink.ended(),
      }
      return engine.subscribe(call, watched, (outcome: TopicOutcome) => {
        if (life.alive && outcome.ok) eyes.subscribed(call, outcome, life)
        done(outcome)
      })
    },
    history: (call, done) =>
      engine.history(call, (outcome) => {
        if (life.alive && outcome.ok) eyes.paged(call, outcome, life)
        done(outcome)
      }),
    start: () => engine.start(),
    drain: () => engine.drain(),
    kill: () => engine.kill(),
    inspect: (actor) => engine.inspect(actor),
    stats: () => engine.stats(),
    has: (actor) => engine.has(actor),
    release: async (actor) => {
      const bundle = await engine.release(actor)
      if (life.alive) eyes.released(actor, bundle, life)
      return bundle
    },
    adopt: (bundle, claimed) => {
      const taken = engine.adopt(bundle, claimed)
      if (life.alive) eyes.adopted(bundle, taken, life)
      return taken
    },
    activations: () => engine.activations(),
    disown: () => {
      eyes.disowning(life)
      engine.disown()
    },
  }
}
