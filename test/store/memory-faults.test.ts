/** The faults that the memory store can be told to have: what the simulator and users' tests rely on. */
import { describe, expect, test } from 'vitest'
import { memoryStore, type Fault, type StoreCall } from '../../src/store/memory.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { claimOf, group, Writer } from './builder.ts'

/** A store whose next call has this fault. */
function faulty(): {
  readonly store: ReturnType<typeof memoryStore>
  readonly clock: VirtualClock
  next(fault: Fault): void
  readonly calls: StoreCall['op'][]
} {
  const clock = new VirtualClock()
  const calls: StoreCall['op'][] = []
  let waiting: Fault | null = null
  const fault = (call: StoreCall): Fault | null => {
    calls.push(call.op)
    const now = waiting
    waiting = null
    return now
  }
  return { store: memoryStore({ clock, fault }), clock, next: (given) => (waiting = given), calls }
}

describe('a fault of the memory store', () => {
  test.each([
    ['refused', 'refused', 0],
    ['unknown-before', 'unknown', 0],
    ['unknown-after', 'unknown', 1],
  ] as const)('%s: a commit, claim or load fails as %s with %i places written', async (kind, outcome, places) => {
    const { store, next } = faulty()
    next({ kind })
    await expect(new Writer('user/a').append(store)).rejects.toMatchObject({ name: 'StoreError', outcome })
    next({ kind, reason: 'busy' })
    await expect(store.claim('user/b', claimOf())).rejects.toMatchObject({ outcome, reason: 'busy' })
    next({ kind })
    await expect(store.load('user/a')).rejects.toMatchObject({ outcome })
    expect(await store.newest(['user/a', 'user/b'])).toEqual([places, places])
  })

  test('a repeat after an unknown outcome that was applied finds its own commit id', async () => {
    const { store, next } = faulty()
    const append = new Writer('user/a').next()
    next({ kind: 'unknown-after' })
    await expect(store.commit(group([append]))).rejects.toMatchObject({ outcome: 'unknown' })
    expect((await store.commit(group([append]))).verdicts).toEqual(['taken'])
    expect((await store.read('user/a', 1))?.commitId).toEqual(append.commitId)
  })

  test('single appends of a group can be refused, unknown and applied, unknown and not applied', async () => {
    const { store, next } = faulty()
    const appends = ['a', 'b', 'c', 'd'].map((actor) => new Writer(actor).next())
    const what = { a: 'refused', b: 'unknown-before', c: 'unknown-after' } as Record<string, 'refused' | 'unknown-before' | 'unknown-after'>
    next({ append: ({ actor }) => what[actor] ?? null })
    expect((await store.commit(group(appends))).verdicts).toEqual(['refused', 'unknown', 'unknown', 'committed'])
    expect(await store.newest(['a', 'b', 'c', 'd'])).toEqual([0, 0, 1, 1])
  })

  test('a call applied late is fenced by what came between; a call answered late is applied at once', async () => {
    const { store, clock, next } = faulty()
    const other = store.connect({})
    const late = new Writer('user/a')
    next({ applyAfterMs: 100 })
    const travelling = late.append(store)
    await other.claim('user/a', claimOf())
    clock.advance(100)
    expect(await travelling).toBe('taken')
    next({ answerAfterMs: 50 })
    let answer: unknown = null
    const answering = new Writer('user/b').append(store).then((verdict) => (answer = verdict))
    expect(await other.newest(['user/b'])).toEqual([1])
    expect(answer).toBeNull()
    clock.advance(50)
    await answering
    expect(answer).toBe('committed')
  })

  test('a connection that crashed answers nothing and applies nothing more; its neighbours go on', async () => {
    const { store, clock, next } = faulty()
    const other = store.connect({})
    let answered = false
    next({ applyAfterMs: 10 })
    void new Writer('user/a').append(store).finally(() => (answered = true))
    next({ answerAfterMs: 10 })
    void new Writer('user/b').append(store).finally(() => (answered = true))
    store.crash()
    void store.load('user/a').finally(() => (answered = true))
    clock.advance(1000)
    expect(await other.newest(['user/a', 'user/b'])).toEqual([0, 1])
    expect(answered).toBe(false)
  })

  test('close waits for what is under way', async () => {
    const { store, clock, next } = faulty()
    next({ applyAfterMs: 10, answerAfterMs: 10 })
    const appending = new Writer('user/a').append(store)
    let closed = false
    const closing = store.close().then(() => (closed = true))
    clock.advance(10)
    await Promise.resolve()
    expect(closed).toBe(false)
    clock.advance(10)
    await closing
    expect(await appending).toBe('committed')
  })

  test('every kind of call is asked about, and a delay without a clock is a defect', async () => {
    const { store, calls } = faulty()
    await store.load('a')
    await store.newest([])
    await store.hints(1, 1)
    await store.meta('a')
    await store.nextGeneration('a')
    expect(calls).toEqual(['load', 'newest', 'hints', 'meta', 'generation'])
    const clockless = memoryStore({ fault: () => ({ applyAfterMs: 1 }) })
    await expect(clockless.load('a')).rejects.toThrow(TypeError)
  })
})
