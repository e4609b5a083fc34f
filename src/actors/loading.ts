/**
 * Reading an actor from the store into an activation: bounded in time, again while a writer is busy (J5), with or without a claim (J2).
 * One of `loaded` and `unread` is called, once, unless it was cancelled.
 */
import type { Timer } from '../base/clock.ts'
import { fail, type Failure } from '../errors.ts'
import { StoreError, type Loaded } from '../store/store.ts'
import type { ActorDefinition } from './define.ts'
import type { Folded } from './fold.ts'
import type { Host } from './host.ts'
import { claimOf, foldFor } from './reading.ts'

export interface LoadingOwner {
  readonly id: string
  readonly key: string
  readonly definition: ActorDefinition
  /** `claimed`: its newest batch is the claim of this owner. `begunAt`: when the store was asked, monotonic. */
  loaded(folded: Folded, claimed: boolean, begunAt: number): void
  unread(why: Unread): void
}

export type Unread =
  | { readonly kind: 'unreadable'; readonly error: unknown }
  /** Written by newer code than this node runs (J8). */
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'broken'; readonly why: string }

const READ_AGAIN_MAX = 20
/** Claims of one activation that another node's may overtake before who asks is told to come again. */
const OVERTAKEN_MAX = 3

export class Loading {
  readonly claims: boolean
  readonly #host: Host
  readonly #owner: LoadingOwner
  #limit: Timer | null = null
  #over = false
  /** It counts among those that are being read. */
  #reading = false

  constructor(host: Host, owner: LoadingOwner, claims: boolean) {
    this.#host = host
    this.#owner = owner
    this.claims = claims
  }

  begin(tries = 0): void {
    const host = this.#host
    const begunAt = host.clock.mono()
    host.reading.count++
    this.#reading = true
    const limit = host.clock.after(host.options.activationTimeoutMs, () => this.#unreadable(LATE))
    this.#limit = limit
    const { id, definition } = this.#owner
    const read = this.claims ? host.store.claim(id, claimOf(host, definition)) : host.store.load(id)
    read.then(
      (loaded) => {
        limit.cancel()
        this.#answered()
        if (!this.#over && !host.dead) this.#read(loaded, begunAt, tries)
      },
      (error: unknown) => {
        limit.cancel()
        this.#answered()
        const overtaken = this.claims && error instanceof StoreError && error.reason === 'busy' && error.outcome === 'unknown'
        if (overtaken && tries < OVERTAKEN_MAX && !this.#over && !host.dead) this.begin(tries + 1)
        else this.#unreadable(error)
      },
    )
  }

  /** Nobody waits for it any more; a claim under way may still take effect. */
  cancel(): void {
    this.#over = true
    this.#limit?.cancel()
    this.#answered()
  }

  /** Or given up: what the store may never answer must not count for ever. */
  #answered(): void {
    if (this.#reading) this.#host.reading.count--
    this.#reading = false
  }

  #read(loaded: Loaded | null, begunAt: number, tries: number): void {
    const outcome = foldFor(this.#host, this.#owner, loaded)
    if (outcome.kind === 'again' && tries < READ_AGAIN_MAX) {
      this.begin(tries + 1)
      return
    }
    this.cancel()
    if (outcome.kind === 'folded') this.#owner.loaded(outcome, this.claims, begunAt)
    else this.#owner.unread(outcome.kind === 'again' ? HOLE : outcome)
  }

  #unreadable(error: unknown): void {
    if (this.#over || this.#host.dead) return
    this.cancel()
    this.#owner.unread({ kind: 'unreadable', error })
  }
}

export const LATE: Error = new Error('the store did not answer in time')

/** J5: a hole, seen while a writer was busy, that stays. */
export const HOLE: Unread = { kind: 'broken', why: 'its batches have a hole' }

/** What an unreadable actor means to who asked, and how its activation ends (J8): nothing is skipped. */
export function unreadFailure(
  host: Host,
  { id, definition }: LoadingOwner,
  why: Unread,
): { failure: Failure; ending: 'other' | 'newer' | 'broken' } {
  const { version } = definition
  switch (why.kind) {
    case 'unreadable':
      host.counters.storeFailures++
      host.log.warn({ actor: id }, `the actor could not be read: ${String(why.error)}`)
      return { failure: UNREADABLE, ending: 'other' }
    case 'newer': {
      host.log.warn({ actor: id, version: why.version }, 'the actor was written by newer code than this node runs')
      const message = `the actor’s state has version ${why.version}; this node runs ${version}`
      return { failure: fail('moved', message, { minVersion: why.version }), ending: 'newer' }
    }
    case 'broken':
      // Who asks gets `internal` until code or journal is mended.
      host.counters.foldFailures++
      host.log.error({ actor: id, version }, `the actor cannot be activated: ${why.why}`)
      return { failure: fail('internal', `the actor cannot be activated: ${why.why}`), ending: 'broken' }
  }
}

export const UNREADABLE: Failure = fail('store_unavailable', 'the actor cannot be read from the store now: repeat later', {
  retryAfterMs: 500,
})
