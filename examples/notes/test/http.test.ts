/** The routes, over a real node. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startService, tokens, type Service } from './service.ts'

let service: Service
let call: Service['call']
beforeAll(async () => {
  service = await startService()
  call = service.call
})
afterAll(() => service.node.stop())

const error = (code: string, reason?: string): object =>
  expect.objectContaining({ error: expect.objectContaining(reason === undefined ? { code } : { code, reason }) as object })

describe('accounts', () => {
  test('register, validate, log out: the token holds no longer, anywhere', async () => {
    const { uid, token } = await service.person('ann')
    expect((await call('GET', '/validate', { token })).body).toMatchObject({ valid: true, uid, name: 'ann' })
    expect((await call('POST', '/logout', { token })).status).toBe(200)
    expect(await call('GET', '/validate', { token })).toMatchObject({ status: 401, body: error('unauthenticated') })
    expect((await call('GET', `/info/${uid}`, { token })).status).toBe(401)
    expect((await call('POST', '/notes', { token, body: { title: 'x' } })).status).toBe(401)
  })

  test('log in by name or e-mail address, in any spelling; wrong name and wrong password get one answer', async () => {
    const { uid } = await service.person('Bob')
    for (const who of [{ name: 'bob' }, { name: ' BOB ' }, { email: 'Bob@X.org' }])
      expect((await call('POST', '/login', { body: { ...who, password: 'correct horse' } })).body).toMatchObject({ uid })
    const wrong = await call('POST', '/login', { body: { name: 'bob', password: 'wrong horse' } })
    const nobody = await call('POST', '/login', { body: { name: 'nobody at all', password: 'wrong horse' } })
    expect(wrong).toMatchObject({ status: 401, body: error('unauthenticated') })
    expect(nobody.body).toEqual(wrong.body)
  })

  test('a name, and an e-mail address, are one account’s; a refused try leaves nothing taken', async () => {
    await service.person('cleo')
    const again = { name: 'Ｃleo', email: 'other@x.org', password: 'correct horse' } // a full-width C
    expect(await call('POST', '/register', { body: again })).toMatchObject({ status: 409, body: error('refused', 'taken') })
    expect((await call('POST', '/register', { body: { ...again, name: 'dora', email: 'CLEO@x.org' } })).status).toBe(409)
    expect((await call('POST', '/register', { body: { ...again, name: 'dora' } })).status).toBe(200)
  })

  test('a registration repeated under its key gives the same account, but no session without its password', async () => {
    const body = { name: 'emil', email: 'emil@x.org', password: 'correct horse' }
    const first = await call('POST', '/register', { body, key: 'k1' })
    const second = await call('POST', '/register', { body, key: 'k1' })
    expect(second.body.uid).toBe(first.body.uid)
    expect((await call('GET', '/validate', { token: second.body.token })).status).toBe(200)
    expect((await call('POST', '/register', { body: { ...body, password: 'another horse' }, key: 'k1' })).status).toBe(401)
    expect((await call('POST', '/register', { body, key: 'k2' })).status).toBe(409)
  })

  test('registrations of one name side by side: one succeeds', async () => {
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        call('POST', '/register', { body: { name: 'fritz', email: `f${i}@x.org`, password: 'correct horse' } }),
      ),
    )
    expect(all.filter(({ status }) => status === 200).length).toBe(1)
    expect(all.filter(({ status }) => status === 409).length).toBe(7)
  })

  test('a changed password closes the other sessions; the old one is no longer taken', async () => {
    const { token } = await service.person('gina')
    const other = (await call('POST', '/login', { body: { name: 'gina', password: 'correct horse' } })).body.token as string
    const change = { password: 'correct horse', newPassword: 'a new horse' }
    expect((await call('POST', '/password', { token, body: { ...change, password: 'wrong horse' } })).status).toBe(401)
    expect((await call('POST', '/password', { token, body: change })).status).toBe(200)
    expect((await call('GET', '/validate', { token })).status).toBe(200)
    expect((await call('GET', '/validate', { token: other })).status).toBe(401)
    expect((await call('POST', '/login', { body: { name: 'gina', password: 'correct horse' } })).status).toBe(401)
    expect((await call('POST', '/login', { body: { name: 'gina', password: 'a new horse' } })).status).toBe(200)
  })

  test('guessing is slowed down per name, and says for how long', async () => {
    await service.person('hugo')
    const tries = await Promise.all(
      Array.from({ length: 15 }, () => call('POST', '/login', { body: { name: 'hugo', password: 'wrong horse' } })),
    )
    const limited = tries.filter(({ status }) => status === 429)
    expect(limited.length).toBeGreaterThanOrEqual(4)
    expect(limited[0]).toMatchObject({ body: error('rate_limited') })
    expect(Number(limited[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  test.each([
    ['a short password', { name: 'ida', email: 'ida@x.org', password: 'short' }],
    ['no e-mail address', { name: 'ida', password: 'correct horse' }],
    ['an address for a name', { name: 'ida@x.org', email: 'ida@x.org', password: 'correct horse' }],
    ['not JSON', 'hello'],
    ['an array', []],
  ])('register with %s is invalid', async (_, body) => {
    expect(await call('POST', '/register', { body })).toMatchObject({ status: 400, body: error('invalid') })
  })

  test.each([undefined, 'nonsense', 'u1.a.b.c.d'])('the token %s is refused', async (token) => {
    expect((await call('GET', '/validate', token === undefined ? {} : { token })).status).toBe(401)
  })
})

describe('notes', () => {
  test('add, read, edit, delete; pages newest first', async () => {
    const { uid, token } = await service.person('jan')
    const ids: string[] = []
    for (let i = 0; i < 25; i++)
      ids.unshift((await call('POST', '/notes', { token, body: { title: `t${i}`, keywords: ['k'] } })).body.id as string)
    const first = await call('GET', `/info/${uid}?lim=10&off=0`, { token })
    expect(first.body).toMatchObject({ uid, total: 25, off: 0, lim: 10, next: 10 })
    expect(first.body.items[0]).toMatchObject({ uid, title: 't24', body: '', keywords: ['k'] })
    const rest = await call('GET', `/info/${uid}?lim=100&off=10`, { token })
    expect([...first.body.items, ...rest.body.items].map(({ id }) => id)).toEqual(ids)
    expect(rest.body.next).toBeNull()

    expect((await call('PUT', `/notes/${ids[3]}`, { token, body: { title: 'edited' } })).status).toBe(200)
    expect((await call('GET', `/notes/${ids[3]}`, { token })).body).toMatchObject({ title: 'edited', keywords: ['k'] })
    expect((await call('DELETE', `/notes/${ids[3]}`, { token })).status).toBe(200)
    expect((await call('GET', `/notes/${ids[3]}`, { token })).status).toBe(404)
    expect((await call('DELETE', `/notes/${ids[3]}`, { token })).status).toBe(404)
    expect((await call('GET', `/info/${uid}`, { token })).body.total).toBe(24)
  })

  test('an add repeated under its key, or its id, adds nothing', async () => {
    const { uid, token } = await service.person('kim')
    const body = { title: 'once' }
    const first = await call('POST', '/notes', { token, body, key: 'n1' })
    expect((await call('POST', '/notes', { token, body, key: 'n1' })).body).toMatchObject({ id: first.body.id, duplicate: true })
    expect((await call('POST', '/notes', { token, body: { title: 'other' }, key: 'n1' })).body).toEqual(error('conflict'))
    await call('POST', '/notes', { token, body: { id: 'my-own-id', title: 'x' } })
    expect((await call('POST', '/notes', { token, body: { id: 'my-own-id', title: 'x' } })).body).toMatchObject({
      id: 'my-own-id',
      duplicate: true,
    })
    expect((await call('GET', `/info/${uid}`, { token })).body.total).toBe(2)
  })

  test('nobody reads or writes another’s', async () => {
    const { uid } = await service.person('lea')
    const { token } = await service.person('max')
    expect((await call('GET', `/info/${uid}`, { token })).status).toBe(403)
    expect((await call('GET', `/v1/actors/user/${uid}/queries/info`, { token })).status).toBe(403)
    expect(
      (await call('POST', `/v1/actors/user/${uid}/events`, { token, body: { type: 'note.added', data: { title: 'x' } } })).status,
    ).toBe(403)
  })

  test('not even one’s own actor takes account events, shows hashes or its journal', async () => {
    const { uid, token } = await service.person('nora')
    const events = ['account.registered', 'password.changed', 'session.opened', 'note.provided', 'tally.due', 'claim.asked']
    for (const type of events)
      expect((await call('POST', `/v1/actors/user/${uid}/events`, { token, body: { type, data: {} } })).status).toBe(403)
    for (const name of ['salt', 'verify', 'validate'])
      expect((await call('GET', `/v1/actors/user/${uid}/queries/${name}`, { token })).status).toBe(403)
    expect((await call('GET', `/v1/actors/user/${uid}/history?from=1&limit=10`, { token })).status).toBe(403)
    expect((await call('GET', `/v1/actors/user/${uid}/queries/profile`, { token })).body.data).toMatchObject({
      uid,
      name: 'nora',
      notes: 0,
    })
  })

  test('wrong notes are invalid, a body beyond the limit too large', async () => {
    const { token } = await service.person('olga')
    expect(await call('POST', '/notes', { token, body: { title: '' } })).toMatchObject({ status: 400, body: error('invalid') })
    expect((await call('POST', '/notes', { token, body: { title: 'x', body: 'x'.repeat(2_000_000) } })).status).toBe(413)
    expect((await call('GET', `/info/x?lim=many`, { token })).status).toBe(403)
  })
})

describe('providers', () => {
  test('each item is acknowledged by itself, once for ever, and only to the provider it came from', async () => {
    const { uid, token } = await service.person('paul')
    const mail = tokens.provider('mail')
    const items = [
      { uid, externalId: 'a', title: 'A', ts: 1000 },
      { uid, externalId: 'b', title: 'B', ts: 3000 },
      { uid: 'nobody', externalId: 'c', title: 'C' },
      { uid, externalId: 'd' },
      'nonsense',
      { uid, externalId: 'a', title: 'A', ts: 1000 },
    ]
    const first = await call('POST', '/provider/mail/items', { token: mail, body: items })
    expect(first.body).toEqual([
      { ok: true, id: 'mail:a', duplicate: false },
      { ok: true, id: 'mail:b', duplicate: false },
      error('refused', 'no_account'),
      error('invalid'),
      error('invalid'),
      { ok: true, id: 'mail:a', duplicate: true },
    ])
    const again = await call('POST', '/provider/mail/items', { token: mail, body: items.slice(0, 2) })
    expect(again.body).toEqual([
      { ok: true, id: 'mail:a', duplicate: true },
      { ok: true, id: 'mail:b', duplicate: true },
    ])
    const { body } = await call('GET', `/info/${uid}`, { token })
    expect(body.items.map(({ id }: { id: string }) => id)).toEqual(['mail:b', 'mail:a'])
    expect((await call('POST', '/provider/other/items', { token: mail, body: [] })).status).toBe(403)
    expect((await call('POST', '/provider/mail/items', { token, body: [] })).status).toBe(403)
    expect((await call('POST', '/provider/mail/items', { token: mail, body: Array.from({ length: 501 }, () => items[0]) })).status).toBe(
      400,
    )
  })
})

test('the page, its parts and the SDK are served', async () => {
  expect((await call('GET', '/')).body).toContain('<title>Notes on Troupe</title>')
  for (const file of ['app.js', 'list.js', 'session.js', 'traffic.js', 'style.css', 'notes.css'])
    expect((await call('GET', `/${file}`)).status).toBe(200)
  expect((await call('GET', '/troupe-client.js')).body).toContain('export')
})

test('a node without a simulator has none to switch', async () => {
  expect((await call('GET', '/simulator')).body).toEqual({ running: null })
  expect((await call('POST', '/simulator', { body: { running: true } })).status).toBe(404)
})
