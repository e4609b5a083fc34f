/** The kinds of reads there are (reads.ts), besides subscribing (remote-subscriptions.ts). */
import type { Answered, HistoryCall, HistoryPage, QueryCall, TopicCall, TopicState } from '../actors/calls.ts'
import { payloadOf, writeHistory, writeQuery, writeTopic } from './link-encode.ts'
import type { ReadKind } from './reads.ts'
import { pageOf, queryOutcomeOf, stateOf } from './repeats.ts'

export const QUERY_KIND: ReadKind<QueryCall, Answered> = {
  write: (out, id, timeoutMs, call) => writeQuery(out, id, timeoutMs, call, payloadOf(call.args) ?? undefined),
  outcome: queryOutcomeOf,
  here: (engine, call, done, local) => local.query(engine, call, done),
}

export const TOPIC_KIND: ReadKind<TopicCall, TopicState> = {
  write: (out, id, timeoutMs, call) => writeTopic(out, 'topic', id, timeoutMs, call),
  outcome: stateOf,
  here: (engine, call, done, local) => local.topic(engine, call, done),
}

export const HISTORY_KIND: ReadKind<HistoryCall, HistoryPage> = {
  write: writeHistory,
  outcome: pageOf,
  here: (engine, call, done, local) => local.history(engine, call, done),
}
