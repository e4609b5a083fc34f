import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { kernel, nodeVersion, openFiles } from '../../src/cli/doctor/machine.ts'
import { storeChecks } from '../../src/cli/doctor/store.ts'
import { tlsChecks } from '../../src/cli/doctor/tls.ts'
import { ANY_PORTS, cleanUp, folder, troupe } from './troupe.ts'

afterAll(cleanUp)

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))
const [CERT, KEY, OTHER] = [fixture('localhost-cert.pem'), fixture('localhost-key.pem'), fixture('other-key.pem')]
const NOW = Date.UTC(2030, 0, 1)

describe('the machine', () => {
  test.each([
    ['1048576', '1048576', 'ok'],
    ['unlimited', 'unlimited', 'ok'],
    ['20000', '20000', 'warn'],
    ['256', '1024', 'fail'],
  ])('open files %s of %s: %s', (soft, hard, status) => {
    const finding = openFiles(
      `Limit  Soft Limit  Hard Limit  Units\nMax open files            ${soft}                ${hard}                files\n`,
    )
    expect(finding.status).toBe(status)
    if (status !== 'ok') expect(finding.advice).toContain('LimitNOFILE')
  })

  test('kernel settings that are too small are told with the command that mends them; absent ones are left out', () => {
    const read = (path: string): string | null =>
      path.endsWith('somaxconn') ? '128\n' : path.endsWith('ip_local_port_range') ? '32768\t60999\n' : null
    expect(kernel(read)).toEqual([
      { check: 'somaxconn', status: 'warn', found: '128', advice: expect.stringContaining('sysctl -w net.core.somaxconn') as string },
      { check: 'local ports', status: 'ok', found: expect.stringContaining('28232') as string },
    ])
  })

  test('an old Node fails', () => {
    expect(nodeVersion('20.20.2')).toMatchObject({ status: 'fail' })
    expect(nodeVersion('24.0.0')).toMatchObject({ status: 'ok' })
  })
})

describe('the store', () => {
  test('a directory that is not there yet is looked at where it will be made', () => {
    const dir = folder({})
    expect(storeChecks(`sqlite:${dir}/a/b`)[0]).toMatchObject({
      check: 'store directory',
      status: 'ok',
      found: `${dir}/a/b will be made in ${dir}`,
    })
  })

  test('a place that is no directory fails', () => {
    expect(storeChecks('sqlite:/proc/self')[0]).toMatchObject({ check: 'store directory', status: 'fail' })
  })

  test('the SQLite of this package is safe for several processes', () => {
    expect(storeChecks(`sqlite:${folder({})}`).find(({ check }) => check === 'sqlite')).toMatchObject({ status: 'ok' })
  })

  test('in memory there is nothing to check', () => {
    expect(storeChecks('memory:')).toEqual([expect.objectContaining({ check: 'store', status: 'ok' })])
  })
})

describe('TLS', () => {
  const statuses = (...args: Parameters<typeof tlsChecks>): Record<string, string> =>
    Object.fromEntries(tlsChecks(...args).map(({ check, status }) => [check, status]))

  test('a certificate with its key is well', () => {
    expect(statuses(CERT, KEY, NOW)).toEqual({ 'tls certificate': 'ok', 'tls key': 'ok' })
  })
  test('the key of another certificate fails', () => {
    expect(statuses(CERT, OTHER, NOW)).toEqual({ 'tls certificate': 'ok', 'tls key': 'fail' })
  })
  test('an expired one, one that is about to expire, and one that is not valid yet', () => {
    const until = Date.parse((/until (\S+?):/.exec(tlsChecks(CERT, KEY, NOW)[0]?.found ?? '') ?? [])[1] as string)
    expect(statuses(CERT, KEY, until + 2 * 86_400_000)['tls certificate']).toBe('fail')
    expect(statuses(CERT, KEY, until - 7 * 86_400_000)['tls certificate']).toBe('warn')
    expect(statuses(CERT, KEY, 0)['tls certificate']).toBe('fail')
  })
  test('files that are missing or something else', () => {
    expect(statuses('/nowhere.pem', KEY, NOW)).toEqual({ 'tls certificate': 'fail' })
    expect(statuses(KEY, KEY, NOW)).toEqual({ 'tls certificate': 'fail' })
    expect(statuses(CERT, CERT, NOW)['tls key']).toBe('fail')
    expect(statuses(CERT, undefined, NOW)).toEqual({ tls: 'fail' })
    expect(statuses(undefined, undefined, NOW)).toEqual({ tls: 'ok' })
  })
})

describe('the command', () => {
  test('--json gives every finding; exit 1 when one fails', async () => {
    const args = ['doctor', '--json', ...ANY_PORTS]
    const good = await troupe(args, { cwd: folder({}) })
    const { ok, findings } = JSON.parse(good.out) as { ok: boolean; findings: { check: string; status: string; advice?: string }[] }
    expect([good.code, ok]).toEqual([0, true])
    expect(findings.map(({ check }) => check)).toEqual(
      expect.arrayContaining([
        'node',
        'open files',
        'client port',
        'rpc port',
        'admin port',
        'store directory',
        'disk space',
        'file system',
        'sqlite',
        'clock',
        'tls',
      ]),
    )
    for (const { status, advice } of findings) expect(advice === undefined).toBe(status === 'ok')
    const bad = await troupe([...args, '--tls-cert', CERT, '--tls-key', OTHER], { cwd: folder({}) })
    expect(bad).toMatchObject({ code: 1, err: 'troupe: one check failed\n' })
    expect(JSON.parse(bad.out)).toMatchObject({ ok: false })
  })

  const PORTS = ['client', 'rpc', 'admin'].map((what) => [what, what === 'client' ? '--listen' : `--${what}-listen`] as const)

  test.each(PORTS)('a %s port in use is told, with what to do', async (what, option) => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    try {
      const { out } = await troupe(['doctor', ...ANY_PORTS, option, `127.0.0.1:${port}`], { cwd: folder({}) })
      expect(out).toMatch(new RegExp(`^warn  ${what} port +127\\.0\\.0\\.1:${port} is not free\n {6}.*in use.*${option}`, 'm'))
    } finally {
      other.close()
    }
  })

  test.each(PORTS)('a %s address of another machine fails', async (what, option) => {
    const { code, out } = await troupe(['doctor', ...ANY_PORTS, option, '192.0.2.1:0'], { cwd: folder({}) })
    expect(out).toMatch(new RegExp(`^fail  ${what} port +192\\.0\\.2\\.1:0 cannot be listened on\n {6}.*no such address.*${option}`, 'm'))
    expect(code).toBe(1)
  })
})
