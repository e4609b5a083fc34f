/** An app may throw anything: it is the app's failure (500, `internal`, logged), never taken for a bad request. */
import { afterEach, describe, expect, test } from 'vitest'
import { startRig, type Rig } from './rig.ts'

let rig: Rig
afterEach(() => rig.stop())

const bare: unknown = Object.create(null)
const THROWN: readonly (readonly [what: string, value: unknown])[] = [
  ['an error', new Error('secret')],
  ['a text', 'secret'],
  ['undefined', undefined],
  ['null', null],
  ['a number', 7],
  ['an object without a prototype', bare],
  ['a symbol', Symbol('secret')],
  [
    'an object whose text throws',
    {
      toString: () => {
        throw new Error('twice')
      },
    },
  ],
  ['a Response', new Response('secret', { status: 200 })],
  ['an object that looks like an HTTPException but gives nothing', Object.assign(new Error('x'), { getResponse: () => undefined })],
]
const errors = (): unknown[] => rig.lines.filter(({ level }) => level === 'error')

describe.each(THROWN)('%s, thrown', (_, thrown) => {
  for (const later of [false, true]) {
    test(`by a route, ${later ? 'later' : 'at once'}`, async () => {
      rig = await startRig({
        app: {
          routes: (http) => {
            http.get('/throws', () => {
              if (!later) throw thrown
              return Promise.reject(thrown) as Promise<never>
            })
            http.use('/guarded/*', async (__, next) => {
              await next()
              throw thrown
            })
          },
        },
      })
      for (const path of ['/throws', '/guarded/x']) {
        const answer = await fetch(rig.url + path)
        const text = await answer.text()
        expect([answer.status, (JSON.parse(text) as { error: unknown }).error]).toMatchObject([500, { code: 'internal', retryable: false }])
        expect(text).not.toContain('secret')
      }
      expect(errors()).toHaveLength(2)
    })

    test(`by authenticate, ${later ? 'later' : 'at once'}`, async () => {
      const authenticate = (): never => {
        if (!later) throw thrown
        return Promise.reject(thrown) as never
      }
      rig = await startRig({ mode: 'start', app: { authenticate } })
      const answer = await fetch(`${rig.url}/v1/actors/user/alice/queries/count`, { headers: { authorization: 'Bearer x' } })
      expect([answer.status, await answer.json()]).toMatchObject([500, { error: { code: 'internal' } }])
      const client = await rig.open()
      client.send({ t: 'connect', token: 'x' })
      expect(await client.frame('bye')).toMatchObject({ code: 3011, reconnect: true })
      expect(errors()).toMatchObject([{ message: 'authenticate threw' }, { message: 'authenticate threw' }])
    })
  }
})

test('by authorize: denied, and logged', async () => {
  for (const [, thrown] of THROWN) {
    rig = await startRig({
      app: {
        authorize: () => {
          throw thrown
        },
      },
    })
    expect((await fetch(`${rig.url}/v1/actors/user/alice/queries/count?as=alice`)).status).toBe(403)
    expect(errors()).toHaveLength(1)
    if (thrown !== THROWN.at(-1)?.[1]) await rig.stop()
  }
})
