/** Who may call: on this machine anyone; elsewhere a token or a certificate (CONTRACT §5). */
import { credentials } from '@grpc/grpc-js'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { AuthRequest, Identity } from '../../src/actors/define.ts'
import { serviceName } from '../../src/gateway/grpc/certificate.ts'
import { startRig, type Rig } from './rpc-rig.ts'

let rig: Rig
afterEach(() => rig?.stop())

const event = { actor: 'user/alice', type: 'note.added', data: 1 }
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })
const UNAUTHENTICATED = { status: 16, error: { code: 'unauthenticated', retryable: false } }

/** An address of this machine that is not its loopback, where it has one. Not the bridge of the tests that cut links, which comes and goes (netns.ts). */
const OUTSIDE = Object.entries(networkInterfaces())
  .flatMap(([name, entries]) => (name.startsWith('trp') ? [] : entries))
  .find((entry) => entry !== undefined && !entry.internal && entry.family === 'IPv4')?.address

describe('on this machine', () => {
  it('anyone may do all, also where the app has an authorize', async () => {
    rig = await startRig({ app: { authenticate: () => null, authorize: () => false } })
    await rig.client().send({ ...event, source: 's', sequence: 1 })
    expect(rig.calls.sends).toMatchObject([{ sender: 'service:local', source: 'service:local:s' }])
  })

  it('who comes through a proxy is from elsewhere', async () => {
    rig = await startRig()
    for (const header of ['x-forwarded-for', 'forwarded', 'x-real-ip'])
      await expect(rig.client().send(event, { [header]: '10.0.0.1' })).rejects.toMatchObject(UNAUTHENTICATED)
  })

  it('who shows a token is who it says, or is refused', async () => {
    rig = await startRig({ mode: 'dev' })
    await rig.client().send({ ...event, key: 'k' }, bearer('dev:alice'))
    expect(rig.calls.sends).toMatchObject([{ sender: 'user:alice', key: 'alice\u0000k' }])
    await expect(rig.client().send({ ...event, actor: 'user/bob' }, bearer('dev:alice'))).rejects.toMatchObject({
      status: 7,
      error: { code: 'denied' },
    })
    for (const shown of ['Bearer wrong', 'Basic YWxpY2U6', 'Bearer', 'dev:alice'])
      await expect(rig.client().send(event, { authorization: shown })).rejects.toMatchObject(UNAUTHENTICATED)
  })

  it('dev tokens count in dev only', async () => {
    rig = await startRig()
    await expect(rig.client().send(event, bearer('dev:alice'))).rejects.toMatchObject(UNAUTHENTICATED)
  })
})

describe('a token', () => {
  it('is checked by authenticate, which sees the call; its user has their own actor', async () => {
    const asked: AuthRequest[] = []
    rig = await startRig({
      app: {
        authenticate: async (request) => {
          asked.push(request)
          return request.token === 'good' ? { sub: 'al:ice%', actor: 'user/alice' } : null
        },
      },
    })
    const client = rig.client()
    await client.send({ type: 'note.added', source: 's', sequence: 1 }, { ...bearer('good'), 'x-app': 'billing' })
    expect(rig.calls.sends).toMatchObject([{ actor: 'user/alice', sender: 'user:al:ice%', source: 'service:user/al%3Aice%25:s', seq: 1 }])
    expect(asked).toMatchObject([{ token: 'good', headers: { 'x-app': 'billing' }, query: {}, address: '127.0.0.1', transport: 'grpc' }])
    await expect(client.send(event, bearer('bad'))).rejects.toMatchObject(UNAUTHENTICATED)
  })

  it('authorize decides for each of the four', async () => {
    const asked: string[] = []
    rig = await startRig({
      app: {
        authenticate: () => ({ sub: 'alice' }),
        authorize: ({ sub }, action, { actor, name }) => {
          asked.push(`${sub} ${action} ${actor} ${name}`)
          return actor === 'user/bob'
        },
      },
    })
    const client = rig.client()
    const asAlice = bearer('x')
    await client.send({ ...event, actor: 'user/bob' }, asAlice)
    await client.query({ actor: 'user/bob', name: 'count' }, asAlice)
    await client.subscribe({ actor: 'user/bob', topic: 'feed' }, asAlice).next()
    expect(await client.history({ actor: 'user/bob' }, asAlice).read().ended).toBeNull()
    const denied = { status: 7, error: { code: 'denied' } }
    await expect(client.send(event, asAlice)).rejects.toMatchObject(denied)
    await expect(client.query({ actor: 'user/alice', name: 'count' }, asAlice)).rejects.toMatchObject(denied)
    expect(await client.subscribe({ actor: 'user/alice', topic: 'feed' }, asAlice).read().ended).toMatchObject(denied)
    expect(await client.history({ actor: 'user/alice' }, asAlice).read().ended).toMatchObject(denied)
    const stream = client.sendStream(asAlice)
    stream.write({ ...event, id: 1 })
    expect(await stream.next()).toMatchObject({ id: '1', error: { code: 'denied' } })
    await expect(client.send({ type: 'note.added' }, asAlice)).rejects.toMatchObject({ status: 3, error: { code: 'invalid' } })
    expect(asked.slice(0, 4)).toEqual([
      'alice send user/bob note.added',
      'alice query user/bob count',
      'alice subscribe user/bob feed',
      'alice history user/bob ',
    ])
  })

  it('that takes too long to check, or cannot be checked, is told as that', async () => {
    rig = await startRig({ options: { authTimeoutMs: 20 }, app: { authenticate: () => new Promise<Identity>(() => undefined) } })
    await expect(rig.client().send(event, bearer('x'))).rejects.toMatchObject({
      status: 14,
      error: { code: 'unavailable', retryable: true },
    })
    await rig.stop()
    rig = await startRig({
      app: {
        authenticate: () => {
          throw new Error('broken')
        },
      },
    })
    await expect(rig.client().send(event, bearer('x'))).rejects.toMatchObject({ status: 13, error: { code: 'internal' } })
  })
})

if (OUTSIDE === undefined) process.stderr.write('test/rpc/callers: skips callers from elsewhere, because this machine has loopback only\n')

describe.skipIf(OUTSIDE === undefined)('from elsewhere', () => {
  it('without a token or certificate nobody gets in; with a token its user does', async () => {
    rig = await startRig({
      host: '0.0.0.0',
      app: { authenticate: ({ token }) => (token === 'good' ? { sub: 'alice', actor: 'user/alice' } : null) },
    })
    const client = rig.client({}, undefined, `${OUTSIDE}:${rig.port}`)
    await expect(client.send(event)).rejects.toMatchObject(UNAUTHENTICATED)
    await expect(client.query({ actor: 'user/alice', name: 'count' })).rejects.toMatchObject(UNAUTHENTICATED)
    expect(await client.sendStream().read().ended).toMatchObject(UNAUTHENTICATED)
    expect(await client.subscribe({ actor: 'user/alice', topic: 'feed' }).read().ended).toMatchObject(UNAUTHENTICATED)
    expect(await client.history({ actor: 'user/alice' }).read().ended).toMatchObject(UNAUTHENTICATED)
    expect(rig.calls.sends).toEqual([])
    await client.send(event, bearer('good'))
    expect(rig.calls.sends).toMatchObject([{ sender: 'user:alice' }])
  })
})

const OPENSSL = spawnSync('openssl', ['version']).status === 0
if (!OPENSSL) process.stderr.write('test/rpc/callers: skips certificates, because there is no openssl here\n')

describe.skipIf(!OPENSSL)('certificates', () => {
  let dir: string
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'troupe-rpc-'))
    for (const authority of ['ca', 'strangers'])
      openssl(
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        '-subj',
        `/CN=${authority}`,
        '-keyout',
        `${authority}.key`,
        '-out',
        `${authority}.pem`,
      )
    signed('server', 'ca', '/CN=node-1', 'DNS:localhost,IP:127.0.0.1')
    signed('billing', 'ca', '/CN=billing', null)
    signed('named', 'ca', '/CN=ignored', 'DNS:also-ignored,URI:troupe:service:or/ders')
    signed('stranger', 'strangers', '/CN=billing', null)
  })
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
  const signed = (name: string, authority: string, subject: string, names: string | null): void => {
    openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      subject,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
    )
    writeFileSync(join(dir, `${name}.ext`), names === null ? '' : `subjectAltName=${names}\n`)
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      `${authority}.pem`,
      '-CAkey',
      `${authority}.key`,
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.pem`,
    )
  }
  const pem = (file: string): Buffer => readFileSync(join(dir, file))
  const tls = (): { cert: string; key: string; ca: string } => ({
    cert: pem('server.pem').toString(),
    key: pem('server.key').toString(),
    ca: pem('ca.pem').toString(),
  })
  const as = (name: string | null): ReturnType<typeof credentials.createSsl> =>
    name === null ? credentials.createSsl(pem('ca.pem')) : credentials.createSsl(pem('ca.pem'), pem(`${name}.key`), pem(`${name}.pem`))
  /** Of a caller from elsewhere, as far as the node can tell. */
  const ELSEWHERE = { 'x-forwarded-for': '10.0.0.1' }

  it('of the cluster’s authority name the service that calls', async () => {
    rig = await startRig({ tls: tls() })
    await rig.client({}, as('billing')).send({ ...event, source: 's', sequence: 1 }, ELSEWHERE)
    await rig.client({}, as('named')).send({ ...event, key: 'k' }, ELSEWHERE)
    await rig.client({}, as('named')).send({ ...event, source: 's', sequence: 1 }, ELSEWHERE)
    expect(rig.calls.sends).toMatchObject([
      { sender: 'service:billing', source: 'service:billing:s' },
      { sender: 'service:or/ders', key: 'service:or/ders\u0000k' },
      { source: 'service:or%2Fders:s' },
    ])
  })

  it('of others, and none at all, are no proof: a token may be', async () => {
    rig = await startRig({ tls: tls(), app: { authenticate: () => ({ sub: 'alice', actor: 'user/alice' }) } })
    for (const name of ['stranger', null]) {
      const client = rig.client({}, as(name))
      await expect(client.send(event, ELSEWHERE)).rejects.toMatchObject(UNAUTHENTICATED)
      await client.send(event, { ...ELSEWHERE, ...bearer('x') })
    }
    expect(rig.calls.sends.map(({ sender }) => sender)).toEqual(['user:alice', 'user:alice'])
  })

  it('authorize is asked about a service', async () => {
    rig = await startRig({
      tls: tls(),
      app: { authorize: ({ sub, claims }, action) => sub === 'service:billing' && claims?.['service'] === 'billing' && action === 'query' },
    })
    const client = rig.client({}, as('billing'))
    expect(await client.query({ actor: 'user/alice', name: 'count' }, ELSEWHERE)).toMatchObject({ data: 0 })
    await expect(client.send(event, ELSEWHERE)).rejects.toMatchObject({ status: 7, error: { code: 'denied' } })
  })

  it('a client without TLS gets nothing', async () => {
    rig = await startRig({ tls: tls() })
    await expect(rig.client().send(event)).rejects.toMatchObject({ status: 14, error: null })
  })

  it('a name cannot pretend to be another', () => {
    const of = (subjectaltname: string, CN = ''): string | null => serviceName({ subject: { CN } as never, subjectaltname })
    expect(of('DNS:a, URI:service:b')).toBe('b')
    expect(of('DNS:"a, URI:troupe:service:b"')).toBe('a, URI:troupe:service:b')
    expect(of('DNS:a', 'c')).toBe('c')
    expect(of('DNS:a')).toBe('a')
    expect(of('URI:troupe:node:n')).toBeNull()
    expect(of('nonsense, URI:service:b')).toBeNull()
  })
})
