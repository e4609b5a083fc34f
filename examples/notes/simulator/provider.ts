/**
 * The data provider: items in batches over HTTP, each acknowledged, each sent again under its own external id until it is.
 *
 * `load` is a closed loop: as fast as the node takes them. `provide` is an open loop: item k is due at begin + k / rate, whatever
 * happened before; what is due while the node is away waits as two numbers, not as memory, and is counted from when it was due.
 */
import { HttpError, type Http } from './http.ts'
import { PROVIDER, type Items } from './items.ts'
import { ACKED, FAILED, SENT, type Ledger } from './ledger.ts'
import type { People, Person } from './people.ts'
import type { Operation, Tally } from './tally.ts'

export interface ProviderParts {
  readonly http: Http
  readonly token: string
  readonly items: Items
  readonly people: People
  readonly ledger: Ledger
  readonly tally: Tally
  readonly patienceS: number
}

interface Acknowledgement {
  readonly ok: boolean
  readonly error?: { readonly code: string; readonly retryable: boolean; readonly reason?: string }
}

const BATCH_ITEMS = 500
const LOADING_BATCHES = 6
const LIVE_BATCHES = 8
const TICK_MS = 10

export async function load(parts: ProviderParts, count: number, stopped: () => boolean): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count && !stopped()) {
      const from = next
      next = Math.min(count, from + BATCH_ITEMS)
      const began = performance.now()
      await deliver(parts, range(from, next), () => undefined, 'load')
      parts.tally.done('load', began)
    }
  }
  await Promise.all(Array.from({ length: LOADING_BATCHES }, worker))
}

export interface Providing {
  /** Items that are due and not yet on their way. */
  backlog(): number
  /** Sends what is due, then ends. */
  finish(): Promise<void>
}

/** Items `first`, `first + 1`, … at `rate` a second. */
export function provide(parts: ProviderParts, first: number, rate: number): Providing {
  const { tally } = parts
  const began = performance.now()
  const dueAt = (item: number): number => began + ((item - first) * 1000) / rate
  let next = first
  let last = Number.MAX_SAFE_INTEGER
  let underway = 0
  let lastAck = began
  let ended: (() => void) | null = null
  const due = (): number => Math.min(last, first + Math.floor(((performance.now() - began) * rate) / 1000) + 1)

  const tick = (): void => {
    while (next < due() && underway < LIVE_BATCHES) {
      const from = next
      next = Math.min(due(), from + BATCH_ITEMS)
      underway++
      const acked = (item: number): void => {
        const now = performance.now()
        tally.gap(began, lastAck, now)
        lastAck = now
        tally.done('provide', dueAt(item), now)
      }
      void deliver(parts, range(from, next), acked, 'provide').then(() => {
        underway--
        tick()
      })
    }
    if (underway === 0 && next >= last) ended?.()
  }
  const timer = setInterval(tick, TICK_MS)
  return {
    backlog: () => Math.max(0, due() - next),
    finish: () => {
      last = due()
      return new Promise<void>((resolve) => {
        ended = () => {
          clearInterval(timer)
          resolve()
        }
        tick()
      })
    },
  }
}

/** Until each is answered for good, or patience ends. Never throws. */
async function deliver(parts: ProviderParts, batch: readonly number[], acked: (item: number) => void, operation: Operation): Promise<void> {
  const { http, token, items, people, ledger, tally } = parts
  const until = performance.now() + parts.patienceS * 1000
  // What is for somebody who is not in yet is not sent.
  let rest = batch.filter((item) => people[items.userOf(item)] !== undefined)
  for (const item of rest) ledger.set(item, SENT)
  for (let attempt = 0; rest.length > 0; attempt++) {
    const wait: number[] = []
    try {
      const body = rest.map((item) => items.make(item, (people[items.userOf(item)] as Person).uid))
      const answers = (await http.call('POST', `/provider/${PROVIDER}/items`, { token, body })) as readonly Acknowledgement[]
      rest.forEach((item, i) => {
        const { ok, error } = answers[i] ?? { ok: false }
        if (ok) {
          ledger.set(item, ACKED)
          acked(item)
        } else if (error?.retryable === true) {
          tally.retry(error.code)
          wait.push(item)
        } else {
          tally.failure(operation, error?.reason ?? error?.code ?? 'no_answer')
          ledger.set(item, FAILED)
        }
      })
    } catch (error) {
      const { code, retryable } = error instanceof HttpError ? error : { code: 'simulator', retryable: false }
      if (!retryable) return giveUp(parts, rest, operation, code)
      tally.retry(code)
      wait.push(...rest)
    }
    rest = wait
    if (rest.length === 0) return
    if (performance.now() > until) return giveUp(parts, rest, operation, 'patience')
    await http.pause(attempt)
  }
}

function giveUp({ ledger, tally }: ProviderParts, rest: readonly number[], operation: Operation, code: string): void {
  for (const item of rest) {
    ledger.set(item, FAILED)
    tally.failure(operation, code)
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)
