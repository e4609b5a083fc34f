/** Help, usage errors, versions: what a newcomer meets first (CONTRACT §2). */
import { afterAll, describe, expect, test } from 'vitest'
import { HELP_WIDTH, prose } from '../../src/cli/help.ts'
import { nodeProblem } from '../../src/cli/node-version.ts'
import { buildProgram, run } from '../../src/cli/program.ts'
import type { Terminal } from '../../src/cli/terminal.ts'
import { cleanUp, troupe } from './troupe.ts'

afterAll(cleanUp)

const silent: Terminal = { out: () => undefined, err: () => undefined, status: () => undefined, interactive: false }
const program = buildProgram(silent)
const visible = program.commands.filter((command) => command.name() !== 'dev-node')

describe('help', () => {
  test('lists every command of the contract that this version has', async () => {
    const { code, out } = await troupe(['--help'])
    expect(code).toBe(0)
    for (const name of 'dev start cluster send query watch inspect history nodes locate drain remove verify load token doctor version'.split(
      ' ',
    ))
      expect(out).toMatch(new RegExp(`^  ${name} `, 'm'))
    expect(out).not.toContain('dev-node')
  })

  test('of start names every flag of the contract', async () => {
    const { code, out } = await troupe(['start', '--help'])
    expect(code).toBe(0)
    const flags =
      '--node --cluster --listen --rpc-listen --admin-listen --advertise --join --secret-file --store --roles --workers --tls-cert --config'
    for (const flag of flags.split(' ')) expect(out).toContain(`${flag} <`)
    expect(out).toContain('idleMs')
  })

  test.each(visible.map((command) => [command.name(), command] as const))(
    'of %s ends in examples of itself, and every flag can be a variable',
    (name, command) => {
      let text = ''
      command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp()
      expect(text).toContain('\nExamples:\n')
      expect(text.slice(text.indexOf('\nExamples:\n'))).toContain(`troupe ${name}`)
      expect(command.description().length).toBeGreaterThan(30)
      for (const option of command.options) expect(option.envVar).toBe(`TROUPE_${option.name().toUpperCase().replaceAll('-', '_')}`)
    },
  )
})

describe('help fits', () => {
  const all = [program, ...visible].flatMap((command) => [command, ...(command === program ? [] : command.commands)])

  test.each(all.map((command) => [command.name(), command] as const))('of %s: no line is too long, none is broken twice', (_, command) => {
    let text = ''
    command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp()
    expect(text.split('\n').filter((line) => line.length > HELP_WIDTH)).toEqual([])
    expect(text).toContain(`\n${prose(command.description())}\n`)
  })

  test('in 80 columns where there is no terminal', async () => {
    const { out } = await troupe(['start', '--help'])
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  })

  test('lines of a paragraph are one, an empty line ends it, a long word stays whole', () => {
    expect(prose('\none two\nthree\n\nfour a-very-long-word five\n', 9)).toBe('one two\nthree\n\nfour\na-very-long-word\nfive')
  })
})

describe('wrong use ends with 2 and one line', () => {
  test.each([
    [['sned', 'user/alice', 'x'], /unknown command 'sned' \(Did you mean send\?\)/],
    [['send', 'user/alice', 'x', '--tokn', 'a'], /unknown option '--tokn' \(Did you mean --token\?\).*troupe send --help/],
    [['send'], /missing required argument 'actor'/],
    [['send', 'alice', 'x'], /'alice': an actor is named type\/key/],
    [['send', 'user/alice', 'x', '{a:1}'], /data is not JSON/],
    [['query', 'user/alice', 'count', '{'], /args is not JSON/],
    [['watch', 'user/alice', 'summary', '--count', '0'], /--count.*whole number from 1/],
    [['send', 'user/alice', 'x', '--url', 'ftp://x'], /--url: 'ftp:\/\/x' must be http/],
    [['send', 'user/alice', 'x', '--timeout', 'soon'], /'soon' is not a time/],
    [['start', 'app.ts', '--listen', '::1:7000'], /an IPv6 address goes into brackets/],
    [['start', 'app.ts', '--listen', 'localhost'], /is not HOST:PORT/],
    [['start', 'app.ts', '--store', 'mysql://user:secret@x'], /--store: 'mysql:\/\/…@x' is not sqlite:DIR, mongodb:/],
    [['start', 'app.ts', '--option', 'idelMs=5'], /there is no option 'idelMs'/],
    [['start', 'app.ts', '--option', 'idleMs=1'], /idleMs must be a whole number from 100/],
    [['start', 'app.ts', '--join', '10.0.0.1:7100', '--rpc-listen', 'none'], /--join needs --rpc-listen/],
    [['start', 'app.ts', '--join', 'nowhere'], /--join: /],
    [['start', 'app.ts', '--workers', '2', '--store', 'memory:'], /--workers: the workers share their store/],
    [['start', 'app.ts', '--workers', '2', '--listen', '127.0.0.1:0'], /--workers: --listen needs a port that all can share/],
    [['start', 'app.ts', '--roles', 'actors,cooks'], /--roles: 'cooks' is neither gateway nor actors/],
    [['cluster', 'app.ts', '--store', 'memory:'], /--store: the nodes of a cluster share their store/],
    [['cluster', 'app.ts', '--nodes', '0'], /--nodes.*whole number from 1/],
    [['nodes', '--watch', 'often'], /'often' is not a time/],
    [['start', 'app.ts', '--tls-cert', 'a.pem'], /--tls-cert and --tls-key go together/],
    [['verify'], /name one actor.*or give --all/],
    [['verify', 'user/alice', '--all'], /name one actor.*or give --all/],
    [['token', 'alice'], /no secret/],
    [['load', 'x', '--rate', 'many'], /--rate.*whole number/],
  ])('%j', async (args, message) => {
    const lines: string[] = []
    const code = await run(args, { ...silent, err: (line) => lines.push(line) })
    expect(lines).toEqual([expect.stringMatching(message)])
    expect(lines[0]).toMatch(/^troupe: [^\n]*$/)
    expect(code).toBe(2)
  })

  test.each([
    [['sned', 'user/alice', 'x'], /unknown command 'sned'/],
    [['send', 'alice', 'x'], /an actor is named type\/key/],
    [['dev-node'], /part of 'troupe dev'/],
  ])('as a process: %j', async (args, message) => {
    const { code, out, err } = await troupe(args)
    expect(err).toMatch(message)
    expect(err).toMatch(/^troupe: [^\n]*\n$/)
    expect([code, out]).toEqual([2, ''])
  })

  test('no command at all: the help, and 2', async () => {
    const { code, err } = await troupe([])
    expect(code).toBe(2)
    expect(err).toContain('Commands:')
  })
})

describe('failures end with 1', () => {
  test('a node that is not there: one line that says what to do; the stack only with --verbose', async () => {
    const args = ['send', 'user/alice', 'note.added', '{}', '--url', 'http://127.0.0.1:1']
    const plain = await troupe(args)
    expect(plain).toMatchObject({ code: 1, out: '' })
    expect(plain.err).toMatch(/^troupe: cannot reach http:\/\/127\.0\.0\.1:1: .*troupe dev app\.ts.*--url\n$/)
    const verbose = await troupe([...args, '--verbose'])
    expect(verbose.code).toBe(1)
    expect(verbose.err).toMatch(/\n\s+at .*node-api/)
  })

  test('an app module that is not there', async () => {
    for (const command of ['dev', 'start'])
      expect(await troupe([command, 'nowhere.ts'])).toMatchObject({
        code: 1,
        err: expect.stringMatching(/no app module .*nowhere\.ts/) as string,
      })
  })
})

describe('version', () => {
  test('--json names what a bug report needs', async () => {
    const { code, out } = await troupe(['version', '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual({
      troupe: expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
      node: process.versions.node,
      sqlite: expect.stringMatching(/^3\.\d+\.\d+$/) as string,
      betterSqlite3: expect.stringMatching(/^\d+\./) as string,
      platform: expect.any(String) as string,
    })
  })

  test.each(['--version', '-V'])('%s prints the version alone', async (flag) => {
    expect(await troupe([flag])).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\S*\n$/) as string })
  })

  test('a Node that is too old is told in one line; newer ones are taken', () => {
    for (const old of ['16.0.0', '20.20.2', '22.17.1']) expect(nodeProblem(old)).toMatch(/too old: Troupe needs 22\.18/)
    for (const good of ['22.18.0', '22.21.0', '24.0.0', '26.1.0', '100.0.0']) expect(nodeProblem(good)).toBeNull()
  })
})
