/**
 * Guards: a name and an e-mail address belong to at most one account, whatever dies between the steps of a registration (names.ts).
 *
 * The route's walk, effects and timers are cut into steps, and fast-check runs them in any order: routes stop for ever at any step, stall
 * for as long as they like, and several try for the same names. Effects are delivered exactly once, in the order of their channel, as D4 has it.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { names, type NameState } from '../names.ts'
import type { UserState } from '../user/state.ts'
import { user } from '../user/user.ts'
import { turn, type Sent } from './reduce.ts'

const PHC = '$scrypt$ln=4,r=8,p=1$c2FsdA$hash'

class World {
  readonly users = new Map<string, UserState>()
  readonly held = new Map<string, NameState>()
  readonly effects: Sent[] = []
  /** Names whose doubt is scheduled. */
  readonly doubts = new Set<string>()

  /** What the event was refused with, or null. */
  send(to: string, type: string, data: unknown): string | null {
    const key = to.slice(to.indexOf('/') + 1)
    if (to.startsWith('user/')) {
      const done = turn(user, to, this.users.get(to) ?? user.state(key), type, data)
      this.users.set(to, done.state)
      this.effects.push(...done.sent)
      return done.refused
    }
    if (!to.startsWith('name/')) return null // statistics
    const done = turn(names, to, this.held.get(to) ?? names.state(key), type, data)
    this.held.set(to, done.state)
    this.effects.push(...done.sent)
    for (const [, event] of done.timers) {
      if (event === null) this.doubts.delete(to)
      else this.doubts.add(to)
    }
    return done.refused
  }

  /** Delivers an effect: any that is the oldest of its channel. */
  deliver(which: number): void {
    const ready = this.effects.filter(
      (effect, i) => !this.effects.slice(0, i).some((other) => other.from === effect.from && other.to === effect.to),
    )
    const effect = ready[which % ready.length]
    if (effect === undefined) return
    this.effects.splice(this.effects.indexOf(effect), 1)
    const refused = this.send(effect.to, effect.type, effect.data)
    if (effect.type === 'name.confirmed') expect(refused).toBeNull()
  }

  doubt(which: number): void {
    const name = [...this.doubts].sort()[which % Math.max(1, this.doubts.size)]
    if (name === undefined) return
    this.doubts.delete(name)
    this.send(name, 'claim.doubted', {})
  }
}

/** The steps of registration.ts; each `next` is one send. */
function* route(world: World, name: string, email: string, attempt: string, at: number): Generator<void, string> {
  const uid = `of-${name}-${email}`
  const claimed: string[] = []
  for (const held of [name, email]) {
    yield
    if (world.send(`name/${held}`, 'name.claimed', { uid, attempt, at }) === 'taken') {
      for (const other of claimed) {
        yield
        world.send(`name/${other}`, 'name.released', { uid, attempt, at })
      }
      return 'taken'
    }
    claimed.push(held)
  }
  yield
  const refused = world.send(`user/${uid}`, 'account.registered', { name, email, password: PHC, attempt, at })
  return refused ?? 'registered'
}

const tries = fc.array(
  fc.record({
    name: fc.constantFrom('ann', 'bob'),
    email: fc.constantFrom('x@x.org', 'y@x.org'),
    at: fc.integer({ min: 1, max: 4 }),
    attempt: fc.nat({ max: 2 }),
  }),
  {
    minLength: 1,
    maxLength: 5,
  },
)
const steps = fc.array(
  fc.record({ what: fc.constantFrom('route' as const, 'route' as const, 'effect' as const, 'doubt' as const), which: fc.nat({ max: 7 }) }),
  {
    maxLength: 80,
    size: 'max',
  },
)

/** What once failed. */
const FOUND: [{ name: string; email: string; at: number; attempt: number }[], { what: 'route' | 'effect' | 'doubt'; which: number }[]][] = [
  [
    [
      { name: 'ann', email: 'y@x.org', at: 1, attempt: 0 },
      { name: 'ann', email: 'y@x.org', at: 1, attempt: 1 },
      { name: 'bob', email: 'y@x.org', at: 1, attempt: 2 },
      { name: 'ann', email: 'x@x.org', at: 1, attempt: 3 },
    ],
    [
      ...[2, 1, 0, 1, 2, 0, 2, 0, 0, 3].map((which) => ({ what: 'route' as const, which })),
      { what: 'doubt', which: 3 },
      { what: 'effect', which: 0 },
      { what: 'effect', which: 0 },
      ...[7, 5, 1].map((which) => ({ what: 'route' as const, which })),
    ],
  ],
]

test('a name is one account’s, in any order of steps, and free or confirmed when all is quiet', () => {
  fc.assert(
    fc.property(tries, steps, (wanted, order) => {
      const world = new World()
      const routes = wanted.map(({ name, email, at, attempt }) => route(world, name, email, `try-${attempt}`, at))
      for (const { what, which } of order) {
        if (what === 'route') routes[which % routes.length]?.next()
        else if (what === 'effect') world.deliver(which)
        else world.doubt(which)
      }
      // The routes that are not done died where they are. Effects and timers go on.
      while (world.effects.length + world.doubts.size > 0) {
        while (world.effects.length > 0) world.deliver(0)
        world.doubt(0)
      }
      const owner = new Map<string, string>()
      for (const { uid, account } of world.users.values()) {
        if (account === null) continue
        for (const name of [account.name, account.email]) {
          expect(owner.get(name)).toBeUndefined()
          owner.set(name, uid)
        }
      }
      for (const [id, { holder }] of world.held) {
        expect(holder === null || holder.confirmed).toBe(true)
        expect(holder?.uid).toBe(owner.get(id.slice('name/'.length)))
      }
    }),
    { numRuns: 3000, examples: FOUND },
  )
})

test('left alone, a registration succeeds, its repeat is known, and another’s is refused', () => {
  const world = new World()
  const finish = (steps: Generator<void, string>): string => {
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
    }
  }
  expect(finish(route(world, 'ann', 'x@x.org', 'a', 1))).toBe('registered')
  while (world.effects.length > 0) world.deliver(0)
  expect(finish(route(world, 'ann', 'x@x.org', 'a', 2))).toBe('done')
  expect(finish(route(world, 'ann', 'x@x.org', 'b', 3))).toBe('registered') // the reason: there is such an account
  expect(finish(route(world, 'ann', 'y@x.org', 'c', 4))).toBe('taken')
  expect(finish(route(world, 'bob', 'x@x.org', 'd', 5))).toBe('taken')
  expect(finish(route(world, 'bob', 'y@x.org', 'e', 6))).toBe('registered')
})
