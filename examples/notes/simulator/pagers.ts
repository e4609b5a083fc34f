/** The clients that page at random users: an open loop each, exponential gaps, counted from when a page should have been asked for. */
import { HttpError, type Http } from './http.ts'
import type { People } from './people.ts'
import type { Tally } from './tally.ts'

const LIM = 20
/** A client that is further behind than this leaves pages out, and says so. */
const BEHIND_MS_MAX = 120_000

interface Page {
  readonly items: readonly { readonly id: string; readonly ts: number }[]
  readonly total: number
}

export interface Paging {
  /** Pages that were not newest first, or had a note twice. */
  wrong(): number
  finish(): Promise<void>
}

export function page(
  { http, people, tally, random }: { readonly http: Http; readonly people: People; readonly tally: Tally; readonly random: () => number },
  clients: number,
  rate: number,
): Paging {
  let stopped = false
  let wrong = 0
  const gapMs = (): number => (-Math.log(1 - random()) * clients * 1000) / rate
  const wake = new Set<() => void>()

  const client = async (): Promise<void> => {
    let intended = performance.now() + gapMs()
    let total = 0
    while (!stopped) {
      await sleep(intended - performance.now())
      if (stopped) return
      const person = people[Math.floor(random() * people.length)]
      if (person === undefined) {
        intended += gapMs() // not in yet
        continue
      }
      const { uid, token } = person
      // Most look at the newest; some go back.
      const off = random() < 0.7 ? 0 : Math.floor((random() * total) / LIM) * LIM
      try {
        const answer = (await http.persist('GET', `/info/${uid}?lim=${LIM}&off=${off}`, { token })) as Page
        tally.done('page', intended)
        total = answer.total
        if (!inOrder(answer)) wrong++
      } catch (error) {
        tally.failure('page', error instanceof HttpError ? error.code : 'simulator')
      }
      intended += gapMs()
      if (performance.now() - intended > BEHIND_MS_MAX) {
        tally.failure('page', 'left_out')
        intended = performance.now()
      }
    }
  }
  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        wake.delete(done)
        resolve()
      }
      const timer = setTimeout(done, Math.max(0, ms))
      wake.add(done)
    })

  const all = Promise.all(Array.from({ length: clients }, client))
  return {
    wrong: () => wrong,
    finish: async () => {
      stopped = true
      for (const done of wake) done()
      await all
    },
  }
}

function inOrder({ items }: Page): boolean {
  return new Set(items.map(({ id }) => id)).size === items.length && items.every(({ ts }, i) => i === 0 || ts <= (items[i - 1]?.ts ?? ts))
}
