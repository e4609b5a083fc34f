/** dev: a name that cannot be the key of an actor is refused with what is allowed, as the caller's mistake. */
import { afterEach, expect, test } from 'vitest'
import { startRig, type Rig } from './rig.ts'

let rig: Rig
afterEach(() => rig.stop())

test.each(['a/b', 'a\nb', 'x'.repeat(257), 'é'.repeat(129), '\u0085'])('%j', async (name) => {
  rig = await startRig()
  const path = `/v1/actors/user/alice/queries/count?as=${encodeURIComponent(name)}`
  const answer = await fetch(rig.url + path)
  const { error } = (await answer.json()) as { error: { code: string; message: string; retryable: boolean } }
  expect([answer.status, error.code, error.retryable]).toEqual([400, 'invalid', false])
  expect(error.message).toMatch(/256 bytes.*control characters.*\//)
  const client = await rig.open(`/v1/ws?as=${encodeURIComponent(name)}`)
  client.send({ t: 'connect' })
  expect(await client.frame('bye')).toMatchObject({ code: 3500, reconnect: false, reason: error.message })
  const byToken = await rig.open()
  byToken.send({ t: 'connect', token: `dev:${name}` })
  expect(await byToken.frame('bye')).toMatchObject({ code: 3500 })
  // It is no failure of the app's.
  expect(rig.lines.filter(({ level }) => level === 'error')).toEqual([])
})

test('names that are allowed, with spaces, dots and any script', async () => {
  rig = await startRig()
  for (const name of ['a b', 'a.b', 'Zoë', '🎭', 'x'.repeat(256)]) {
    const client = await rig.open(`/v1/ws?as=${encodeURIComponent(name)}`)
    client.send({ t: 'connect' })
    expect(await client.frame('welcome')).toMatchObject({ actor: `user/${name}` })
  }
})
