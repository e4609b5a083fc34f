/** The application that `troupe simulate` runs when none is named, as a check of the installation: accounts that send each other money. */
import { actor, app, log, signal, view } from '../actors/define.ts'
import { defineScenario, type Scenario } from './scenario.ts'

const FIRST = 100

interface Account {
  readonly balance: number
  readonly sent: number
  readonly received: number
  readonly reminders: number
}

const account = actor('account', {
  state: (): Account => ({ balance: FIRST, sent: 0, received: 0, reminders: 0 }),
  events: {
    'money.sent': {
      reduce: (state, { to, amount }: { to: string; amount: number }, ctx) => {
        if (amount > state.balance) return ctx.refuse('short', 'there is not so much')
        ctx.send(`account/${to}`, 'money.received', { amount })
        ctx.schedule('reminder', { inMs: 15_000 }, 'reminder.due', null)
        ctx.notify('changed')
        return { ...state, balance: state.balance - amount, sent: state.sent + amount }
      },
    },
    'money.received': {
      reduce: (state, { amount }: { amount: number }, ctx) => {
        ctx.notify('changed')
        return { ...state, balance: state.balance + amount, received: state.received + amount }
      },
    },
    'reminder.due': { reduce: (state) => ({ ...state, reminders: state.reminders + 1 }) },
  },
  topics: { changed: signal(), balance: view((state: Account) => state.balance), transfers: log({ types: ['money.sent'] }) },
  queries: { balance: (state) => state.balance },
  idleMs: 20_000,
})

const sample = app({ actors: { account } })

export const sampleScenario: Scenario = defineScenario(sample, {
  users: 6,
  follow: (user) => (['changed', 'balance', 'transfers'] as const).map((topic) => ({ actor: `account/${user}` as const, topic })),
  operations: {
    transfer: {
      weight: 4,
      run: ({ user, users, draw, send }) => send(`account/${user}`, 'money.sent', { to: draw.of(users), amount: draw.whole(1, 40) }),
    },
    ask: ({ users, draw, query }) => query(`account/${draw.of(users)}`, 'balance', undefined, { strict: draw.chance(0.3) }),
  },
  invariants: {
    account: {
      'nobody is in debt': ({ balance }) => balance >= 0,
      'the books are right': ({ balance, sent, received }) => balance === FIRST - sent + received,
    },
  },
  checks: {
    'no money is lost or made': async (world, users) => {
      let sum = 0
      for (const user of users) sum += await world.query(`account/${user}`, 'balance')
      return sum === FIRST * users.length || `all have ${sum} together, and began with ${FIRST * users.length}`
    },
  },
})
