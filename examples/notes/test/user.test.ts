import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stats } from '../stats.ts'
import type { UserState } from '../user/state.ts'
import { user } from '../user/user.ts'
import { turn, type Moment, type Turn } from './reduce.ts'

const ID = 'user/u1'
const PHC = `$scrypt$ln=4,r=8,p=1$c2FsdA$${'h'.repeat(43)}`
const account = { name: 'Alice', email: 'a@x.org', password: PHC, attempt: 'a1', at: 5 }
const run = (state: UserState, type: string, data: unknown, at?: Moment): Turn<UserState> => turn(user, ID, state, type, data, at)
const registered = (): UserState => run(user.state('u1'), 'account.registered', account).state
const ask = (state: UserState, name: string, args: unknown = null): never => user.queries.get(name)?.(state, args) as never
const idsOf = (state: UserState): string[] => (ask(state, 'info', { lim: 100 }) as { items: { id: string }[] }).items.map(({ id }) => id)

describe('notes', () => {
  test('a note without an id is named after its offset, and dated by its entry', () => {
    const { state, notified } = run(registered(), 'note.added', { title: 'hi' }, { offset: 42, now: 777 })
    expect(ask(state, 'note', { id: 'n.42' })).toEqual({ uid: 'u1', id: 'n.42', title: 'hi', body: '', ts: 777, keywords: [] })
    expect(notified).toEqual(['events-changed'])
  })

  test('a provider’s item is taken once for ever, also after it was deleted', () => {
    const item = { provider: 'mail', externalId: 'x1', title: 'one' }
    const once = run(registered(), 'note.provided', item).state
    expect(run(once, 'note.provided', { ...item, title: 'again' }).refused).toBe('exists')
    const gone = run(once, 'note.deleted', { id: 'mail:x1' }).state
    expect(idsOf(gone)).toEqual([])
    expect(run(gone, 'note.provided', item).refused).toBe('exists')
    expect(run(gone, 'note.provided', { ...item, provider: 'feeds' }).refused).toBeNull()
  })

  test('a provider on a socket speaks only for itself', () => {
    const item = { provider: 'mail', externalId: 'x1', title: 'one' }
    expect(run(registered(), 'note.provided', item, { sender: 'user:provider:feeds' }).refused).toBe('denied')
    expect(run(registered(), 'note.provided', item, { sender: 'user:provider:mail' }).refused).toBeNull()
  })

  test('an edit changes what it names, null removes, time and place in the list stay', () => {
    let state = run(registered(), 'note.added', { id: 'note-0001', title: 'a', url: 'https://x.org/', ts: 10 }).state
    state = run(state, 'note.added', { id: 'note-0002', title: 'b', ts: 20 }).state
    state = run(state, 'note.edited', { id: 'note-0001', title: 'c', url: null }, { now: 99 }).state
    expect(ask(state, 'note', { id: 'note-0001' })).toEqual({
      uid: 'u1',
      id: 'note-0001',
      title: 'c',
      body: '',
      ts: 10,
      keywords: [],
      editedAt: 99,
    })
    expect(idsOf(state)).toEqual(['note-0002', 'note-0001'])
    expect(run(state, 'note.edited', { id: 'nobody' }).refused).toBe('no_note')
  })

  test.each([
    ['no title', {}],
    ['a title too long', { title: 'x'.repeat(201) }],
    ['a body too long', { title: 'x', body: 'x'.repeat(10_001) }],
    ['too many keywords', { title: 'x', keywords: Array.from({ length: 33 }, () => 'k') }],
    ['a script for a link', { title: 'x', url: 'javascript:alert(1)' }],
    ['another’s id', { title: 'x', id: 'mail:1234' }],
    ['an unknown field', { title: 'x', colour: 'red' }],
    ['too much extra', { title: 'x', extra: { big: 'x'.repeat(5000) } }],
  ])('%s is invalid', (_, data) => {
    expect(() => run(registered(), 'note.added', data)).toThrow(expect.objectContaining({ code: 'invalid' }))
  })

  test('a prototype among the extra fields is left out', () => {
    const extra = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}') as object
    const { state } = run(registered(), 'note.added', { id: 'note-0001', title: 'x', extra })
    const note: { extra: object } = ask(state, 'note', { id: 'note-0001' })
    expect(Object.entries(note.extra)).toEqual([['constructor', 1]])
    expect('polluted' in note.extra).toBe(false)
  })

  test('nobody without an account has notes', () => {
    expect(run(user.state('u1'), 'note.added', { title: 'x' }).refused).toBe('no_account')
  })

  test('any mix of adding, providing, editing and deleting is what a plain array would be, and the statistics hear of each once', () => {
    const op = fc.record({
      do: fc.constantFrom('add' as const, 'provide' as const, 'edit' as const, 'delete' as const),
      which: fc.integer({ min: 0, max: 60 }),
      ts: fc.integer({ min: 0, max: 30 }),
    })
    fc.assert(
      fc.property(fc.array(op, { maxLength: 200, size: 'max' }), (ops) => {
        let model: { id: string; title: string; ts: number }[] = []
        const taken = new Set<string>()
        let state = registered()
        let totals = stats.state('0')
        ops.forEach(({ do: what, which, ts }, i) => {
          const id = what === 'provide' || which % 2 === 1 ? `mail:${which}` : `note-${String(which).padStart(4, '0')}`
          const title = `t${i}`
          const data =
            what === 'provide'
              ? { provider: 'mail', externalId: String(which), title, ts }
              : what === 'add'
                ? { id: id.replace(':', '--').padEnd(8, '-'), title, ts }
                : what === 'edit'
                  ? { id, title }
                  : { id }
          const type = { add: 'note.added', provide: 'note.provided', edit: 'note.edited', delete: 'note.deleted' }[what]
          const key = what === 'add' ? (data as { id: string }).id : id
          const done = run(state, type, data, { offset: i + 10 })
          const there = model.some((note) => note.id === key)
          if (what === 'add' || what === 'provide') {
            expect(done.refused).toBe(taken.has(key) ? 'exists' : null)
            if (!taken.has(key)) {
              taken.add(key)
              const at = model.findLastIndex((note) => note.ts <= ts) + 1
              model.splice(at, 0, { id: key, title, ts })
            }
          } else {
            expect(done.refused).toBe(there ? null : 'no_note')
            if (what === 'edit') model = model.map((note) => (note.id === key ? { ...note, title } : note))
            else model = model.filter((note) => note.id !== key)
          }
          state = done.state
          for (const { type: sentType, data: sentData } of done.sent) totals = turn(stats, 'stats/0', totals, sentType, sentData).state
        })
        const last = run(state, 'tally.due', {})
        for (const { type, data } of last.sent) totals = turn(stats, 'stats/0', totals, type, data).state
        const page = ask(state, 'info', { lim: 100 }) as { items: { id: string; title: string }[]; total: number }
        expect(page.items.map(({ id, title }) => ({ id, title }))).toEqual(
          model
            .toReversed()
            .map(({ id, title }) => ({ id, title }))
            .slice(0, 100),
        )
        expect(page.total).toBe(model.length)
        expect(totals.notes).toBe(model.length)
        expect(last.state.tally).toEqual({ notes: 0, events: 0 })
      }),
      { numRuns: 150 },
    )
  })
})

describe('info', () => {
  const many = Array.from({ length: 250 }).reduce<UserState>(
    (state, _, i) => run(state, 'note.added', { title: `t${i}`, ts: i }, { offset: i }).state,
    registered(),
  )

  test('pages join without hole or overlap, newest first, and end', () => {
    const seen: string[] = []
    for (let off: number | null = 0; off !== null;) {
      const page: { items: { id: string }[]; next: number | null } = ask(many, 'info', { lim: 33, off })
      seen.push(...page.items.map(({ id }) => id))
      off = page.next
    }
    expect(seen).toEqual(Array.from({ length: 250 }, (_, i) => `n.${249 - i}`))
  })

  test.each([
    [{ lim: 1e9 }, 100],
    [{ lim: -3 }, 1],
    [{ lim: 'many' }, 20],
    [{ off: 249 }, 1],
    [{ off: 250 }, 0],
    [{ off: -5 }, 20],
    [null, 20],
    ['nonsense', 20],
  ])('%j gives %i notes', (args, expected) => {
    expect((ask(many, 'info', args) as { items: unknown[] }).items.length).toBe(expected)
  })
})

describe('account', () => {
  test('no query and no topic shows the password’s hash or a token’s', () => {
    const hash = 's'.repeat(43)
    const state = run(registered(), 'session.opened', { hash, expiresAt: 9e12 }).state
    const said = [...user.queries.values()].map((query) => query(state, { session: hash, id: 'x', password: PHC }))
    const projected = [...user.topics.values()].map((topic) => (topic.kind === 'view' ? topic.project(state) : null))
    const text = JSON.stringify([said, projected])
    expect(text).not.toContain('h'.repeat(43))
    expect(text).not.toContain(hash)
    expect(text).toContain('"ok":true') // `verify` did compare
  })

  test('the salt is what comes before the hash; a wrong hash, and one of nobody, do not verify', () => {
    expect(ask(registered(), 'salt')).toBe('$scrypt$ln=4,r=8,p=1$c2FsdA')
    expect(ask(registered(), 'verify', { password: PHC.replace(/h$/, 'i') })).toEqual({ ok: false, version: 1 })
    expect(ask(user.state('u2'), 'verify', { password: '' })).toEqual({ ok: false, version: 0 })
  })

  test('a changed password closes all other sessions, and of two changes at once one is refused', () => {
    const [a, b] = ['a'.repeat(43), 'b'.repeat(43)]
    let state = registered()
    for (const hash of [a, b]) state = run(state, 'session.opened', { hash, expiresAt: 9e12 }).state
    const change = { password: PHC, from: 1, keep: a }
    state = run(state, 'password.changed', change).state
    expect(ask(state, 'validate', { session: a })).not.toBeNull()
    expect(ask(state, 'validate', { session: b })).toBeNull()
    expect(run(state, 'password.changed', change).refused).toBe('changed')
  })

  test('sessions are bounded: the oldest goes, an expired one first', () => {
    let state = registered()
    const hash = (i: number): string => String(i).padStart(43, '0')
    for (let i = 0; i < 40; i++) state = run(state, 'session.opened', { hash: hash(i), expiresAt: i === 30 ? 10 : 9e12 }).state
    expect(state.sessions.map((session) => session.hash)).toEqual(
      Array.from({ length: 17 }, (_, i) => i + 23)
        .filter((i) => i !== 30)
        .map(hash),
    )
  })
})
