/** What all calls of services share: ports, parts, limits and counts. Made once by rpc-server.ts. */
import type { ServerUnaryCall } from '@grpc/grpc-js'
import type { ActorCalls } from '../../actors/calls.ts'
import type { Clock } from '../../base/clock.ts'
import type { Deadlines } from '../../base/deadline.ts'
import type { Log } from '../../base/log.ts'
import { fail, type Failure } from '../../errors.ts'
import type { Options } from '../../options.ts'
import { inTime } from '../auth-limit.ts'
import { thrownText } from '../thrown.ts'
import type { Upstreams } from '../upstreams.ts'
import type { Caller, Callers } from './callers.ts'

/** A call of grpc-js, of any kind. It emits `cancelled` once when it is over, however it ended. */
export type ServerCall = Pick<
  ServerUnaryCall<unknown, unknown>,
  'cancelled' | 'metadata' | 'getPeer' | 'getDeadline' | 'getAuthContext'
> & {
  emit(event: 'error', status: object): boolean
  once(event: 'cancelled', over: () => void): unknown
}
export type StreamCall = ServerCall & {
  write(message: object, taken: () => void): boolean
  end(): unknown
}

export interface RpcSite {
  readonly calls: ActorCalls
  readonly clock: Clock
  readonly log: Log
  readonly options: Options
  readonly callers: Callers
  readonly upstreams: Upstreams
  readonly deadlines: Deadlines
  readonly counters: RpcCounters
  readonly live: RpcLive
}

export interface RpcLive {
  /** Calls and streams that are open. */
  calls: number
  /** Bytes of answers that their callers have not taken. */
  answerBytes: number
  draining: boolean
  readonly streams: Set<Retirable>
}

/** A stream that can be asked to go. */
export interface Retirable {
  retire(failure: Failure): void
  cut(): void
}

export interface RpcCounters {
  sends: number
  queries: number
  subscribes: number
  histories: number
  notes: number
  gaps: number
  /** Streams that ended because their client took nothing. */
  slow: number
  /** Calls that were refused because of their number. */
  overLimit: number
}

export const GOING: Failure = fail('unavailable', 'this node is going: call another', { retryAfterMs: 100 })
const FULL: Failure = fail('overloaded', 'this node has all the calls it takes (rpcStreams): repeat later', { retryAfterMs: 1000 })
const THREW: Failure = fail('internal', 'serving the call failed; the node’s log says more')

/** Counts the call and finds out who calls; then serves it or refuses it. What serving throws is refused as `internal`. */
export function enter(
  site: RpcSite,
  call: ServerCall,
  kind: 'unary' | 'stream',
  { serve, refuse }: { readonly serve: (caller: Caller) => void; readonly refuse: (failure: Failure) => void },
): void {
  const { live, options, counters } = site
  if (live.calls >= options.rpcStreams) {
    counters.overLimit++
    return refuse(FULL)
  }
  live.calls++
  call.once('cancelled', () => live.calls--)
  guardedly(site, refuse, () =>
    inTime(site, site.callers.of(call), (caller) =>
      guardedly(site, refuse, () => {
        if (call.cancelled) return
        if (!caller.ok) refuse(caller)
        // The token may have taken long, and a drain has a list of those that were there.
        else if (kind === 'stream' && live.draining) refuse(GOING)
        else serve(caller)
      }),
    ),
  )
}

/** For what is called in the stack of the engine or of a promise, where a throw would end the node. */
export function guardedly({ log }: Pick<RpcSite, 'log'>, refuse: (failure: Failure) => void, run: () => void): void {
  try {
    run()
  } catch (error) {
    log.error({ error: thrownText(error) }, 'serving a gRPC call threw')
    refuse(THREW)
  }
}

const TIMEOUT_MAX_MS = 600_000

/** What the caller's deadline leaves, as a `timeoutMs`. */
export function timeLeft({ clock }: Pick<RpcSite, 'clock'>, call: ServerCall): { readonly timeoutMs?: number } {
  const deadline = Number(call.getDeadline())
  return Number.isFinite(deadline) ? { timeoutMs: Math.max(1, Math.min(deadline - clock.now(), TIMEOUT_MAX_MS)) } : {}
}

/** HTTP/2 CANCEL. */
const CANCEL = 8

/**
 * Ends a call whose client does not read, at once. A status would wait behind what the client does not take, and grpc-js has no other way:
 * its HTTP/2 stream is reached through a private field (a test holds that it is there).
 */
export function cut(call: ServerCall): void {
  const { call: inner } = call as { readonly call?: { readonly stream?: { close?(code: number): void } } }
  inner?.stream?.close?.(CANCEL)
}
