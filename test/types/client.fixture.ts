/** The client of the contract's app: right uses compile with the right types, wrong ones do not. */
import { connect, type Gap, type Sent } from '../../src/client/index.ts'
import type contractApp from './contract-app.fixture.ts'
import type { other } from './contract-app.fixture.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(..._: Equal<A, B> extends true ? [] : ['the types differ']): void {}

const c = connect<typeof contractApp>('wss://example.org', { token: () => Promise.resolve('token'), device: 'phone' })
const me = c.actor()
const key: string = 'alice'
const alice = c.actor(`user/${key}`)
const stats = c.actor('stats/all')

// ── Sends
same<Awaited<ReturnType<typeof me.send>>, Sent>()
void me.send('note.added', { text: 'hi' })
void me.send('note.added', { text: 'hi' }, { key: 'k', timeoutMs: 5_000 })
void me.send('renamed', { name: 'Alice' })
void me.send('digest.due')
void alice.send('note.added', { text: 'hi' })
void stats.send('note.counted', { by: 'alice' })
// @ts-expect-error: a misspelt event
void me.send('note.aded', { text: 'hi' })
// @ts-expect-error: wrong data, of a schema
void me.send('note.added', { text: 1 })
// @ts-expect-error: wrong data, of an annotation
void me.send('renamed', { nam: 'Alice' })
// @ts-expect-error: the data is missing
void me.send('note.added')
// @ts-expect-error: an event of another actor type
void stats.send('note.added', { text: 'hi' })
// @ts-expect-error: not an option
void me.send('note.added', { text: 'hi' }, { ky: 'k' })

// ── Actors
// @ts-expect-error: a misspelt actor type
c.actor('usr/alice')
// @ts-expect-error: a type without a key
c.actor('user')
void c.actor<'stats'>().send('note.counted', { by: 'alice' })

// ── Queries
const count = await me.query('count')
same<typeof count, number>()
const last = await me.query('last')
same<typeof last, string>()
const longer = await alice.query('longer', 3, { strict: true, atLeast: 7 })
same<typeof longer, boolean>()
// @ts-expect-error: a misspelt query
void me.query('cuont')
// @ts-expect-error: wrong arguments
void me.query('longer', 'three')
// @ts-expect-error: missing arguments
void me.query('longer')
// @ts-expect-error: a query of another actor type
void stats.query('count')

// ── Topics
const off: () => void = me.subscribe('counted', (note) => {
  same<typeof note.data, { notes: number }>()
  same<typeof note.offset, number>()
})
off()
me.subscribe('feed', (note) => {
  same<typeof note.type, 'note.added'>()
  same<typeof note.data, { text: string }>()
  same<typeof note.at, number>()
})
me.subscribe('everything', (note) => {
  if (note.type === 'renamed') same<typeof note.data, { readonly name: string }>()
  // @ts-expect-error: no such event
  if (note.type === 'nope') return
})
me.subscribe('events-changed', (note) => {
  // @ts-expect-error: a signal carries no data
  void note.data
})
stats.subscribe('total', (note) => same<typeof note.data, number>(), { from: 'start', onGap: (gap: Gap) => void gap.from })
me.subscribe('summary', () => undefined, { from: { journal: 'j', offset: 3 } })
// @ts-expect-error: a misspelt topic
me.subscribe('sumary', () => undefined)
// @ts-expect-error: a position names its journal
me.subscribe('summary', () => undefined, { from: { offset: 3 } })
// @ts-expect-error: a topic of another actor type
me.subscribe('total', () => undefined)

// ── History
const { entries } = await me.history({ from: 1, limit: 10 })
for (const entry of entries) if (entry.type === 'note.added') same<typeof entry.data, { text: string }>()
// @ts-expect-error: not an option
void me.history({ form: 1 })

// ── The client itself
c.on('state', (state) => same<typeof state, 'connecting' | 'open' | 'resuming' | 'suspended' | 'closed'>())
// @ts-expect-error: a misspelt state
if (c.state === 'opened') c.close()
// @ts-expect-error: a misspelt listener name
c.on('sate', () => undefined)
// @ts-expect-error: not an option
connect('ws://x', { tokens: 'x' })

// ── An app whose only actor type is one's own
const device = connect<typeof other>('ws://x').actor()
void device.send('raw', new Uint8Array(1))
// @ts-expect-error: wrong data
void device.send('raw', 'text')

// ── Without an app: anything goes
const anything = connect('ws://x')
const id: string = 'user/alice'
void anything.actor(id).send('whatever', { any: 1 })
void anything.actor().send('whatever')
const answer: number = await anything.actor().query('whatever', { any: 1 })
anything.actor().subscribe('whatever', (note) => void [note.offset, answer])
