/** The simulated users: `sim-0`, `sim-1` …, registered once, logged in afterwards. */
import { HttpError, type Http } from './http.ts'
import type { Tally } from './tally.ts'

export interface Person {
  readonly uid: string
  readonly token: string
}

/** A node hashes two passwords at a time: more at once would only wait there. */
const AT_ONCE = 8

export const nameOf = (index: number): string => `sim-${index}`
export const passwordOf = (index: number): string => `simulated-user-${index}`

/** Those that are in, by number: a hole where one is still to come. */
export type People = readonly (Person | undefined)[]

/** Fills `all` from its beginning, a few at a time. */
export async function enter(all: (Person | undefined)[], http: Http, tally: Tally, run: string, stopped: () => boolean): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < all.length && !stopped()) {
      const index = next++
      const began = performance.now()
      all[index] = await one(http, run, index)
      tally.done('register', began)
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, all.length) }, worker))
}

async function one(http: Http, run: string, index: number): Promise<Person> {
  const name = nameOf(index)
  const password = passwordOf(index)
  try {
    const body = { name, email: `${name}@example.org`, password, device: 'simulator' }
    return (await http.persist('POST', '/register', { body, key: `${run}-${index}` })) as Person
  } catch (error) {
    if (!(error instanceof HttpError) || error.reason !== 'taken') throw error
    return (await http.persist('POST', '/login', { body: { name, password, device: 'simulator' } })) as Person
  }
}
