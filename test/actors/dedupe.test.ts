import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Dedupe, isActorSource, type Answer, type Judgement } from '../../src/actors/dedupe.ts'

const LIMITS = { answersKept: 2, keysKept: 5, dedupeTtlMs: 60_000 }
/** Numbers that may be unanswered at once of a source that says its base. */
const WINDOW = LIMITS.answersKept * 16
const REFUSAL = { code: 'refused', message: 'no', reason: 'full' } as const

/** Remembers everything for ever. What it decides is what D1 promises to a sender that keeps to D3. */
class Naive {
  readonly answers = new Map<string, Answer[]>()

  judge(source: string, seq: number, content: number, base: number): Judgement {
    const known = this.answers.get(source) ?? []
    if (seq > known.length + 1) return { kind: 'hole', next: known.length + 1 }
    const answer = known[seq - 1]
    if (answer === undefined)
      return base > 0 && !isActorSource(source) && known.length > 0 && seq - base >= WINDOW ? { kind: 'window' } : { kind: 'new' }
    if (isActorSource(source)) return answer.refusal === null ? { kind: 'old' } : { kind: 'repeat', answer }
    if (base === 0 && seq <= known.length - LIMITS.answersKept) return { kind: 'old' }
    return answer.content === content ? { kind: 'repeat', answer } : { kind: 'conflict' }
  }

  remember(source: string, answer: Answer): void {
    this.answers.set(source, [...(this.answers.get(source) ?? []), answer])
  }
}

/** As a crash and an activation from the snapshot would. */
function reborn(dedupe: Dedupe, pages: Map<number, Uint8Array>, withSenders: boolean): Dedupe {
  const stored = JSON.parse(JSON.stringify(dedupe.snapshot(withSenders))) as ReturnType<Dedupe['snapshot']>
  for (const [page, bytes] of dedupe.takeDirtyPages() ?? []) pages.set(page, bytes)
  return Dedupe.restore(LIMITS, stored, withSenders ? new Map() : pages) ?? new Dedupe(LIMITS)
}

/** More than are searched without an index. */
const SESSIONS = ['session:constructor', 'service:x:__proto__', ...Array.from({ length: 8 }, (_, i) => `session:${i}`)]
const ACTORS = ['actor:a/1', 'actor:__proto__/b']
/** Never says a base. */
const PLAIN = 'service:plain'
const sources = fc.oneof(fc.constantFrom(...SESSIONS), fc.constant('session:1'), fc.constantFrom(PLAIN, ...ACTORS))
const ahead = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: -WINDOW, max: 2 }), fc.integer({ min: -4, max: -1 }))
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('send'), source: sources, ahead, content: fc.nat(1), refused: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('heard'), source: sources, count: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reborn'), withSenders: fc.boolean() }) },
)

describe('exactly once in (D1–D3)', () => {
  it('decides as a table that remembers everything, for each sender that says what it has heard, over any number of restarts', () => {
    const seen = new Map<string, number>()
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
        const naive = new Naive()
        const pages = new Map<number, Uint8Array>()
        let dedupe = new Dedupe(LIMITS)
        let offset = 0
        const bases = new Map<string, number>()
        for (const made of steps) {
          if ('withSenders' in made) dedupe = reborn(dedupe, pages, made.withSenders)
          else {
            const last = naive.answers.get(made.source)?.length ?? 0
            const base = made.source === PLAIN ? 0 : (bases.get(made.source) ?? 1)
            if ('count' in made) {
              bases.set(made.source, Math.min(last + 1, base + made.count))
              continue
            }
            const seq = Math.max(1, base, last + 1 + made.ahead)
            const expected = naive.judge(made.source, seq, made.content, base)
            expect(dedupe.judge(made.source, seq, made.content, base)).toEqual(expected)
            seen.set(expected.kind, (seen.get(expected.kind) ?? 0) + 1)
            expect(dedupe.next(made.source, base)).toBe(last + 1)
            if (expected.kind !== 'new') continue
            const answer = made.refused
              ? { seq, content: made.content, offset: 0, refusal: REFUSAL }
              : { seq, content: made.content, offset: ++offset, refusal: null }
            dedupe.remember(made.source, answer, 1000, base)
            naive.remember(made.source, answer)
          }
        }
      }),
      { numRuns: 200 },
    )
    expect([...seen.keys()].sort()).toEqual(['conflict', 'hole', 'new', 'old', 'repeat', 'window'])
  })

  it('whatever a sender says, a number that was taken is never new again, and a repeat is the first answer', () => {
    const call = fc.record({
      source: sources,
      seq: fc.integer({ min: 1, max: 12 }),
      base: fc.integer({ min: 1, max: 12 }),
      content: fc.nat(1),
    })
    fc.assert(
      fc.property(fc.array(call, { maxLength: 120 }), (calls) => {
        const dedupe = new Dedupe(LIMITS)
        const taken = new Map<string, Answer>()
        calls.forEach(({ source, seq, base, content }, i) => {
          const id = `${source} ${seq}`
          const judgement = dedupe.judge(source, seq, content, Math.min(base, seq))
          if (judgement.kind === 'repeat') expect(judgement.answer).toEqual(taken.get(id))
          if (judgement.kind !== 'new') return
          expect(taken.has(id)).toBe(false)
          const answer = { seq, content, offset: i + 1, refusal: null }
          taken.set(id, answer)
          dedupe.remember(source, answer, 1000, Math.min(base, seq))
        })
      }),
    )
  })

  it('an unanswered number is never pushed out by its successors: they wait (D3)', () => {
    const dedupe = new Dedupe(LIMITS)
    const first: Answer = { seq: 1, content: 7, offset: 0, refusal: REFUSAL }
    dedupe.remember('session:a', first, 0, 1)
    for (let seq = 2; seq <= WINDOW; seq++) dedupe.remember('session:a', { seq, content: 0, offset: seq, refusal: null }, 0, 1)
    expect(dedupe.judge('session:a', WINDOW + 1, 0, 1)).toEqual({ kind: 'window' })
    expect(dedupe.judge('session:a', 1, 7, 1)).toEqual({ kind: 'repeat', answer: first })
    expect(dedupe.judge('session:a', WINDOW + 1, 0, 2)).toEqual({ kind: 'new' })
  })

  it('keys: the newest are kept, each with its first answer; an older one is forgotten and may be used anew (D3)', () => {
    const keys = fc.array(fc.tuple(fc.nat(9), fc.nat(1)), { maxLength: 60 })
    fc.assert(
      fc.property(keys, fc.nat(60), (uses, rebornAt) => {
        let dedupe = new Dedupe(LIMITS)
        let kept: { key: string; answer: Answer }[] = []
        uses.forEach(([number, content], i) => {
          if (i === rebornAt) dedupe = reborn(dedupe, new Map(), false)
          const key = `u\u0000${number}`
          const known = kept.find((entry) => entry.key === key)?.answer
          const expected =
            known === undefined ? { kind: 'new' } : known.content === content ? { kind: 'repeat', answer: known } : { kind: 'conflict' }
          expect(dedupe.judge(key, 0, content, 0)).toEqual(expected)
          if (known !== undefined) return
          const answer = { seq: 0, content, offset: i + 1, refusal: null }
          dedupe.remember(key, answer, 0)
          kept = [...kept, { key, answer }].slice(-LIMITS.keysKept)
        })
      }),
    )
  })

  it('what was not used for the time stated is forgotten, sender actors never (D3)', () => {
    const dedupe = new Dedupe(LIMITS)
    const answer = (seq: number): Answer => ({ seq, content: 0, offset: 1, refusal: null })
    for (const source of ['session:old', 'session:new', 'actor:a/1']) dedupe.remember(source, answer(1), 0, 1)
    dedupe.remember('key old', answer(0), 0)
    dedupe.remember('session:new', answer(2), 50_000, 2)
    dedupe.remember('key new', answer(0), 50_000)
    dedupe.expire(60_000, 0)
    expect(dedupe.judge('session:old', 1, 0, 1).kind).toBe('repeat') // just not over
    dedupe.expire(60_001, 0)
    expect(dedupe.judge('session:old', 1, 0, 1).kind).toBe('new')
    expect(dedupe.judge('session:new', 3, 0, 2).kind).toBe('new')
    expect(dedupe.judge('session:new', 1, 0, 1).kind).toBe('old')
    expect(dedupe.judge('actor:a/1', 1, 0, 1).kind).toBe('old')
    expect([dedupe.judge('key old', 0, 0, 0).kind, dedupe.judge('key new', 0, 0, 0).kind]).toEqual(['new', 'repeat'])
  })

  it('of the sender actors only the pages that changed are written (D3)', () => {
    const dedupe = new Dedupe(LIMITS)
    const take = (source: string, seq: number): void => dedupe.remember(source, { seq, content: 0, offset: seq, refusal: null }, 0, 1)
    for (let i = 0; i < 2000; i++) take(`actor:user/${i}`, 1)
    const all = dedupe.takeDirtyPages() ?? []
    expect(dedupe.takeDirtyPages()?.size).toBe(0)
    take('actor:user/7', 2)
    const changed = [...(dedupe.takeDirtyPages() ?? [])]
    expect(changed.length).toBe(1)
    const next = Dedupe.restore(LIMITS, undefined, new Map([...all, ...changed]))
    for (let i = 0; i < 2000; i++) expect(next?.next(`actor:user/${i}`, 1)).toBe(i === 7 ? 3 : 2)
    expect(next?.takeDirtyPages()?.size).toBe(0)
  })
})
