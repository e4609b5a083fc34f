/** Processes that are kept running, with a small program in the place of a node; and the command lines of the nodes themselves. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import type { Clock } from '../../src/base/clock.ts'
import { seeded } from '../../src/base/random.ts'
import { systemClock } from '../../src/base/system.ts'
import { rollingRestart, type Restarted } from '../../src/cli/cluster/rolling.ts'
import type { Standing } from '../../src/cli/cluster/standing.ts'
import { Supervisor, type NodeSpec } from '../../src/cli/cluster/supervisor.ts'
import { workerSpecs } from '../../src/cli/cluster/workers.ts'
import { readable } from '../../src/cli/cluster/log-line.ts'
import { clusterSpecs } from '../../src/cli/commands/cluster.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { ANY_PORTS, cleanUp, folder, Running, serving } from './troupe.ts'

const MAIN = fileURLToPath(new URL('fixtures/obedient.ts', import.meta.url))

/** A supervisor, and all that was said. */
class Watched {
  readonly supervisor: Supervisor
  readonly lines: string[] = []
  ready = 0
  #wake: () => void = () => undefined

  constructor(specs: readonly NodeSpec[], more: { readonly rejoinMs?: number; readonly clock?: Clock } = {}) {
    this.supervisor = new Supervisor(specs, {
      main: MAIN,
      clock: systemClock,
      random: seeded('supervisor'),
      said: (node, line, of) => {
        this.lines.push(`${of} ${node} ${line}`)
        this.#wake()
      },
      ready: () => {
        this.ready++
        this.#wake()
      },
      ...more,
    })
    running.push(this.supervisor)
    this.supervisor.start()
  }

  async until(wanted: () => boolean): Promise<void> {
    while (!wanted()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  saying(pattern: RegExp): RegExpExecArray[] {
    return this.lines.map((line) => pattern.exec(line)).filter((match) => match !== null)
  }

  pids(node: string): number[] {
    return this.saying(new RegExp(`^out ${node} pid (\\d+)$`)).map(([, pid]) => Number(pid))
  }

  served(node: string): number {
    return this.saying(new RegExp(`^out ${node} ready$`)).length
  }
}

const running: Supervisor[] = []
afterEach(() => {
  for (const supervisor of running.splice(0)) supervisor.stop()
})

afterAll(cleanUp)

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('a supervisor', () => {
  test('says each process’s id and lines, and that all are ready once', async () => {
    const watched = new Watched([
      { name: 'a', args: ['stays'] },
      { name: 'b', args: ['stays'] },
    ])
    await watched.until(() => watched.ready === 1)
    for (const name of ['a', 'b']) {
      expect(watched.pids(name)).toHaveLength(1)
      expect(watched.lines).toContain(`out ${name} client ws://127.0.0.1:1`)
    }
    watched.supervisor.drain()
    await watched.supervisor.done
    expect(watched.lines.filter((line) => line.endsWith(' drains'))).toHaveLength(2)
    for (const name of ['a', 'b']) expect(watched.pids(name).some(alive)).toBe(false)
  })

  test('one that is killed comes back under its name; `ready` is not said again', async () => {
    const watched = new Watched([
      { name: 'a', args: ['stays'] },
      { name: 'b', args: ['stays'] },
    ])
    await watched.until(() => watched.ready === 1)
    process.kill(watched.pids('b')[0] as number, 'SIGKILL')
    await watched.until(() => watched.served('b') === 2)
    expect(watched.saying(/^supervisor b was ended by SIGKILL; starts again in \d+ ms$/)).toHaveLength(1)
    expect(watched.pids('b')).toHaveLength(2)
    expect([watched.pids('a').length, watched.ready]).toEqual([1, 1])
  })

  test('one that served long and then fails at every start is started again ever more slowly', async () => {
    const clock = new VirtualClock()
    const watched = new Watched([{ name: 'a', args: ['once', join(folder({}), 'started')] }], { clock })
    await watched.until(() => watched.ready === 1)
    await clock.run(60_000)
    process.kill(watched.pids('a')[0] as number, 'SIGKILL')
    const waits = (): number[] => watched.saying(/^supervisor a .*; starts again in (\d+) ms$/).map(([, ms]) => Number(ms))
    for (let fails = 1; fails <= 8; fails++) {
      await watched.until(() => waits().length === fails)
      await clock.run(10_000)
    }
    expect(waits()[0]).toBeLessThanOrEqual(500)
    expect(Math.max(...waits())).toBeGreaterThan(2000)
  })

  test('one that drained stays out, the others go on; the last to go ends it all', async () => {
    const watched = new Watched([
      { name: 'a', args: ['stays'] },
      { name: 'b', args: ['stays'] },
    ])
    await watched.until(() => watched.ready === 1)
    process.kill(watched.pids('b')[0] as number, 'SIGTERM')
    await watched.until(() => watched.saying(/^supervisor b has drained and left$/).length === 1)
    expect([alive(watched.pids('a')[0] as number), watched.served('b')]).toEqual([true, 1])
    process.kill(watched.pids('a')[0] as number, 'SIGTERM')
    await watched.supervisor.done
  })

  test('one that never serves ends them all, with what it said', async () => {
    const watched = new Watched([
      { name: 'a', args: ['stays'] },
      { name: 'b', args: ['fails', 'the port is in use'] },
    ])
    await expect(watched.supervisor.done).rejects.toThrow('b did not start: the port is in use')
    expect(watched.pids('a').some(alive)).toBe(false)
    expect(watched.ready).toBe(0)
  })

  test('who does not drain is ended by stop', async () => {
    const watched = new Watched([{ name: 'a', args: ['deaf'] }])
    await watched.until(() => watched.ready === 1)
    watched.supervisor.drain()
    await watched.until(() => watched.lines.includes('out a drains'))
    expect(alive(watched.pids('a')[0] as number)).toBe(true)
    watched.supervisor.stop()
    await watched.supervisor.done
    expect(alive(watched.pids('a')[0] as number)).toBe(false)
  })

  test('while one waits to start again, stop ends it all the same', async () => {
    const watched = new Watched([{ name: 'a', args: ['stays'] }])
    await watched.until(() => watched.ready === 1)
    process.kill(watched.pids('a')[0] as number, 'SIGKILL')
    await watched.until(() => watched.saying(/starts again/).length === 1)
    watched.supervisor.drain()
    await watched.supervisor.done
    expect(watched.pids('a')).toHaveLength(1)
  })
})

describe('a rolling restart', () => {
  const three = ['a', 'b', 'c'].map((name) => ({ name, args: ['stays'] }))
  /** What happened to whom, in order: restarts, ends, starts. */
  const story = (watched: Watched): string[] =>
    watched.lines
      .filter((line) => /^(supervisor|out \w (drains|ready)$)/.test(line))
      .map((line) => line.replace(/^(out|supervisor) /, '').replace(/[\d.]+ s$/, 'S s'))
  const over = (watched: Watched) => (): boolean => watched.saying(/was the last|did not come back|the rolling restart stops/).length > 0

  test('drains one, waits until it serves again, then the next; one that was out is started', async () => {
    const watched = new Watched(three)
    await watched.until(() => watched.ready === 1)
    process.kill(watched.pids('b')[0] as number, 'SIGTERM')
    await watched.until(() => watched.saying(/^supervisor b has drained and left$/).length === 1)
    const before = story(watched).length
    watched.supervisor.restart()
    await watched.until(over(watched))
    expect(story(watched).slice(before)).toEqual([
      ...['a restarts (1 of 3)', 'a drains', 'a ready'],
      ...['b restarts (2 of 3)', 'b ready'],
      ...['c restarts (3 of 3)', 'c drains', 'c ready'],
      'c was the last: all 3 were restarted, in S s',
    ])
    expect([...three.map(({ name }) => watched.pids(name).length), watched.ready]).toEqual([2, 2, 2, 1])
  })

  test('goes on only when nothing is handed over any more', async () => {
    const watched = new Watched([
      { name: 'a', args: ['stays'] },
      { name: 'b', args: ['busy', '3'] },
    ])
    await watched.until(() => watched.ready === 1)
    watched.supervisor.restart()
    await watched.until(() => watched.saying(/^supervisor b restarts/).length === 1)
    const began = watched.lines.findIndex((line) => line.startsWith('supervisor b restarts'))
    expect(watched.lines.slice(0, began).filter((line) => line.startsWith('out b hands'))).toEqual(
      [3, 2, 1, 0].map((left) => `out b hands over ${left}`),
    )
    await watched.until(over(watched))
  })

  test('stops at one that does not come back: the others are not touched', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'troupe-rolling-'))
    try {
      const watched = new Watched([
        { name: 'a', args: ['once', join(dir, 'started')] },
        { name: 'b', args: ['stays'] },
      ])
      await watched.until(() => watched.ready === 1)
      watched.supervisor.restart()
      await watched.until(over(watched))
      expect(watched.saying(/^supervisor a did not come back: the new code is broken; .*the others go on as they are$/)).toHaveLength(1)
      expect([watched.pids('b').length, alive(watched.pids('b')[0] as number)]).toEqual([1, true])
      // It is tried on, and the next rolling restart begins with it.
      await watched.until(() => watched.pids('a').length >= 3)
    } finally {
      rmSync(dir, { recursive: true })
    }
  })

  const STOPS = 'the rolling restart stops here, the others go on as they are'
  /** Where a node notes that it has started once. */
  const note = (): string => join(folder({}), 'started')

  test('stops at one that ends soon after it was ready: the others are not touched', async () => {
    const watched = new Watched([{ name: 'a', args: ['crashes', note()] }, ...three.slice(1)])
    await watched.until(() => watched.ready === 1)
    watched.supervisor.restart()
    await watched.until(over(watched))
    expect(watched.served('a')).toBeGreaterThanOrEqual(2)
    expect(watched.lines).toContain(`supervisor a did not come back: ended with code 1; ${STOPS}`)
    expect(['b', 'c'].map((name) => watched.pids(name).length)).toEqual([1, 1])
  })

  test('also when it ends only while the next one restarts', async () => {
    const clock = new VirtualClock()
    const watched = new Watched([{ name: 'a', args: ['busy', '0'] }, ...three.slice(1)], { clock })
    await watched.until(() => watched.ready === 1)
    watched.supervisor.restart()
    await watched.until(() => watched.served('a') === 2)
    // To rest, or for want of an answer after the longest time: either way on to the next.
    await clock.until(() => watched.saying(/^supervisor b restarts/).length === 1)
    process.kill(watched.pids('a')[1] as number, 'SIGKILL')
    await watched.until(() => watched.saying(/^supervisor a was ended by SIGKILL/).length === 1 && watched.served('b') === 2)
    await clock.until(over(watched))
    expect(watched.lines.filter((line) => line.includes('stops here'))).toEqual([
      `supervisor a did not come back: was ended by SIGKILL; ${STOPS}`,
    ])
    expect(watched.pids('c')).toHaveLength(1)
  })

  test('while another is down nobody is drained; when it does not come back in time, nobody is at all', async () => {
    const clock = new VirtualClock()
    const watched = new Watched([...three.slice(0, 2), { name: 'c', args: ['hangs', note()] }], { clock })
    await watched.until(() => watched.ready === 1)
    process.kill(watched.pids('c')[0] as number, 'SIGKILL')
    await watched.until(() => watched.saying(/^supervisor c was ended by SIGKILL/).length === 1)
    const before = story(watched).length
    watched.supervisor.restart()
    await clock.run(29_999)
    expect(story(watched).slice(before)).toEqual([])
    await clock.run(1)
    expect(story(watched).slice(before)).toEqual([`c does not serve, and was waited for 30 s: it still starts; ${STOPS}`])
    expect(['a', 'b'].map((name) => watched.pids(name).length)).toEqual([1, 1])
  })

  test('one that goes down meanwhile: the next is not drained before it serves again', async () => {
    const watched = new Watched(three)
    await watched.until(() => watched.ready === 1)
    watched.supervisor.restart()
    process.kill(watched.pids('c')[0] as number, 'SIGKILL')
    await watched.until(over(watched))
    const told = story(watched)
    expect(told.indexOf('b restarts (2 of 3)')).toBeGreaterThan(
      told.indexOf(
        'c ready',
        told.findIndex((line) => line.startsWith('c was ended')),
      ),
    )
    expect(told.at(-1)).toBe('c was the last: all 3 were restarted, in S s')
  })

  test.each(['waits to start again', 'drained and left'] as const)('one that goes down meanwhile and %s for good stops it', async (how) => {
    const clock = new VirtualClock()
    const watched = new Watched([...three.slice(0, 2), { name: 'c', args: ['once', note()] }], { clock })
    await watched.until(() => watched.ready === 1)
    watched.supervisor.restart()
    const [signal, why] =
      how === 'drained and left'
        ? (['SIGTERM', /it has left/] as const)
        : (['SIGKILL', /(was ended by SIGKILL|the new code is broken|it still starts)/] as const)
    process.kill(watched.pids('c')[0] as number, signal)
    await watched.until(() => watched.saying(/^supervisor c (was ended|has drained)/).length === 1 && watched.served('a') === 2)
    await clock.until(over(watched))
    expect(watched.lines.at(-1)).toMatch(new RegExp(`^supervisor c does not serve, and was waited for 30 s: ${why.source}; ${STOPS}$`))
    expect(watched.pids('b')).toHaveLength(1)
  })

  // What nodes say of themselves, at an instant: with no process, whose answers come when they come.
  test.each([
    [
      'says that it is not in service',
      { inService: false, placement: 'p', toHandOver: 0 },
      `b does not serve, and was waited for 30 s: it joins or drains; ${STOPS}`,
    ],
    ['hands over without end', { inService: true, placement: 'p', toHandOver: 1 }, 'b was the last: all 2 were restarted, in 60.0 s'],
    ['says nothing', null, 'b was the last: all 2 were restarted, in 60.0 s'],
  ] as const)('one that %s all the time', async (_, standing, last) => {
    const clock = new VirtualClock()
    const told: string[] = []
    const node = (name: string, says: Standing | null): Restarted => {
      let count = 0
      return {
        name,
        phase: () => 'serving',
        served: () => count,
        ended: () => count,
        // Gone and back at once.
        end: () => void (count += 1),
        begin: () => undefined,
        ask: () => undefined,
        why: () => '',
        standing: () => says,
        said: (line) => told.push(`${name} ${line}`),
      }
    }
    let look: () => void = () => undefined
    const until = async (wanted: () => boolean): Promise<void> => {
      while (!wanted()) await new Promise<void>((resolve) => (look = resolve))
    }
    const nodes = [node('a', { inService: true, placement: 'p', toHandOver: 0 }), node('b', standing)]
    let ended = false
    void rollingRestart(nodes, { clock, ending: () => false, until, changed: () => look() }).then(() => (ended = true))
    await clock.until(() => ended)
    expect(told.at(-1)).toBe(last)
  })

  test('at once when one that was restarted falls while a later one drains; that one is followed until it is back', async () => {
    const clock = new VirtualClock()
    const told: string[] = []
    const asked: string[] = []
    const states = new Map(
      ['a', 'b', 'c'].map((name) => [name, { phase: 'serving' as 'starting' | 'serving' | 'waiting', ended: 0, served: 1 }]),
    )
    const node = ([name, now]: readonly [
      string,
      { phase: 'starting' | 'serving' | 'waiting'; ended: number; served: number },
    ]): Restarted => ({
      name,
      phase: () => now.phase,
      served: () => now.served,
      ended: () => now.ended,
      end: (signal) => void asked.push(`${signal} ${name}`),
      begin: () => undefined,
      ask: () => undefined,
      why: () => 'the new code is broken',
      standing: () => ({ inService: true, placement: 'p', toHandOver: 0 }),
      said: (line) => told.push(`${name} ${line}`),
    })
    const waiters = new Set<() => void>()
    const until = async (wanted: () => boolean): Promise<void> => {
      while (!wanted()) await new Promise<void>((resolve) => waiters.add(resolve))
    }
    const look = (): void => {
      for (const wake of waiters) wake()
      waiters.clear()
    }
    const ends = (name: string, phase: 'starting' | 'waiting'): void => {
      const now = states.get(name)
      if (now !== undefined) Object.assign(now, { phase, ended: now.ended + 1 })
      look()
    }
    const serves = (name: string): void => {
      const now = states.get(name)
      if (now !== undefined) Object.assign(now, { phase: 'serving', served: now.served + 1 })
      look()
    }
    let ended = false
    void rollingRestart([...states].map(node), { clock, ending: () => false, until, changed: look }).then(() => (ended = true))
    await clock.until(() => asked.includes('SIGTERM a'))
    ends('a', 'starting')
    serves('a')
    await clock.until(() => asked.includes('SIGTERM b'))
    ends('a', 'waiting')
    await clock.run(0)
    const fell = `a did not come back: the new code is broken; ${STOPS}`
    expect([told.at(-1), ended]).toEqual([fell, false])
    serves('a')
    // The drain of the one that is on its way has an end all the same.
    await clock.run(120_000)
    expect(asked).toEqual(['SIGTERM a', 'SIGTERM b', 'SIGKILL b'])
    ends('b', 'starting')
    serves('b')
    await clock.until(() => ended)
    expect(asked).toHaveLength(3)
    expect(told.filter((line) => line.includes('stops here'))).toEqual([fell])
  })

  test('stops at one whose start hangs, and ends that one', async () => {
    const clock = new VirtualClock()
    const watched = new Watched([{ name: 'a', args: ['hangs', note()] }, ...three.slice(1)], { clock })
    await watched.until(() => watched.ready === 1)
    watched.supervisor.restart()
    await watched.until(() => watched.pids('a').length === 2)
    await clock.run(119_999)
    expect(over(watched)()).toBe(false)
    await clock.run(1)
    expect(watched.lines.at(-1)).toBe(`supervisor a did not come back: it was not ready within 120 s, and is ended; ${STOPS}`)
    // It is tried on, with the code that is there then.
    await watched.until(() => watched.pids('a').length === 3)
    expect(alive(watched.pids('a')[1] as number)).toBe(false)
    expect(['b', 'c'].map((name) => watched.pids(name).length)).toEqual([1, 1])
  })

  test('a second one is refused while one is under way; Ctrl-C ends it and all', async () => {
    const watched = new Watched([
      { name: 'a', args: ['deaf'] },
      { name: 'b', args: ['stays'] },
    ])
    watched.supervisor.restart()
    expect(watched.lines.at(-1)).toBe('supervisor a not all nodes have started yet')
    await watched.until(() => watched.ready === 1)
    watched.supervisor.restart()
    await watched.until(() => watched.lines.includes('out a drains'))
    watched.supervisor.restart()
    expect(watched.lines.at(-1)).toBe('supervisor a a rolling restart is under way already')
    watched.supervisor.drain()
    watched.supervisor.stop()
    await watched.supervisor.done
    expect([watched.pids('a').length, watched.pids('b').length]).toEqual([1, 1])
    expect(watched.saying(/did not come back|was the last/)).toEqual([])
  })

  test('with rejoinMs one that drained comes back by itself, and the last to go does not end it all', async () => {
    const watched = new Watched([{ name: 'a', args: ['stays'] }], { rejoinMs: 10 })
    let done = false
    void watched.supervisor.done.then(() => (done = true))
    await watched.until(() => watched.ready === 1)
    process.kill(watched.pids('a')[0] as number, 'SIGTERM')
    await watched.until(() => watched.served('a') === 2)
    expect(done).toBe(false)
    expect(watched.lines).toContain('supervisor a has drained and left; starts again in 10 ms')
    watched.supervisor.drain()
    await watched.supervisor.done
  })
})

test('one node by itself is told that there is nothing to roll, and serves on', async () => {
  const { running, client } = await serving(new Running(['start', 'app.ts', '--insecure', ...ANY_PORTS], { cwd: folder() }))
  running.signal('SIGUSR2')
  await running.line('err', /there is nothing to roll/)
  expect((await fetch(client)).status).toBeGreaterThan(0)
  running.signal('SIGTERM')
  expect(await running.exit).toBe(0)
})

describe('command lines', () => {
  const flags = {
    workers: 3,
    node: 'web',
    listen: '0.0.0.0:7000',
    rpcListen: '10.0.0.7:7100',
    adminListen: '127.0.0.1:7200',
    store: 'sqlite:/var/lib/troupe',
  }
  /** The value that counts: of a flag given twice, the last. */
  const last = ({ args }: NodeSpec, name: string): string | undefined => args[args.lastIndexOf(name) + 1]

  test('of workers: what was given, then names, ports 10 apart, and each other to join', () => {
    const given = ['start', 'app.ts', '--workers', '3', '--node', 'web', '--listen', '0.0.0.0:7000', '--secret-file', 'secret']
    const specs = workerSpecs({ ...flags, join: '10.0.0.8:7100' }, given, 'linux')
    expect(specs.map(({ name }) => name)).toEqual(['web-1', 'web-2', 'web-3'])
    for (const [i, spec] of specs.entries()) {
      expect(spec.args.slice(0, given.length)).toEqual(given)
      expect(spec.args).toContain('--shared-listen')
      expect([last(spec, '--workers'), last(spec, '--node')]).toEqual(['1', `web-${i + 1}`])
      expect([last(spec, '--rpc-listen'), last(spec, '--admin-listen')]).toEqual([
        `10.0.0.7:${7100 + 10 * i}`,
        `127.0.0.1:${7200 + 10 * i}`,
      ])
      expect(last(spec, '--join')).toBe('10.0.0.8:7100,10.0.0.7:7100,10.0.0.7:7110,10.0.0.7:7120')
    }
  })

  test('of workers that are reached under another address: its ports are 10 apart too', () => {
    const specs = workerSpecs({ ...flags, advertise: 'host.example:9100' }, [], 'linux')
    expect(specs.map((spec) => last(spec, '--advertise'))).toEqual(['host.example:9100', 'host.example:9110', 'host.example:9120'])
    expect(workerSpecs({ ...flags, adminListen: 'none' }, [], 'linux').map((spec) => last(spec, '--admin-listen'))).toEqual([
      'none',
      'none',
      'none',
    ])
  })

  test.each([
    [{ rpcListen: 'none' }, 'linux', /--workers needs --rpc-listen/],
    [{ store: 'memory:' }, 'linux', /memory: cannot be shared/],
    [{ listen: '0.0.0.0:0' }, 'linux', /--listen needs a port that all can share/],
    [{ rpcListen: '127.0.0.1:0' }, 'linux', /--rpc-listen: with --workers it needs a port, not 0/],
    [{ adminListen: 'nowhere' }, 'linux', /--admin-listen: /],
    [{}, 'darwin', /darwin cannot share a port/],
  ] as const)('workers that cannot be are refused: %o on %s', (wrong, platform, message) => {
    expect(() => workerSpecs({ ...flags, ...wrong }, [], platform)).toThrow(message)
  })

  test('of a cluster: ports 10 apart from --port on, 100 and 200 above, all joined', () => {
    const specs = clusterSpecs('/app.ts', {
      nodes: 2,
      port: 8000,
      store: 'sqlite:.troupe',
      cluster: 'local',
      option: { idleMs: 5000 },
      logLevel: 'warn',
    })
    expect(specs.map(({ name }) => name)).toEqual(['node-1', 'node-2'])
    expect(specs[1]?.args.slice(0, 2)).toEqual(['start', '/app.ts'])
    expect(
      specs.map((spec) => ['--listen', '--rpc-listen', '--admin-listen', '--join', '--option'].map((name) => last(spec, name))),
    ).toEqual([
      ['127.0.0.1:8000', '127.0.0.1:8100', '127.0.0.1:8200', '127.0.0.1:8100,127.0.0.1:8110', 'idleMs=5000'],
      ['127.0.0.1:8010', '127.0.0.1:8110', '127.0.0.1:8210', '127.0.0.1:8100,127.0.0.1:8110', 'idleMs=5000'],
    ])
  })
})

test('a line that a node logged as JSON is made readable, any other stays', () => {
  // eslint-disable-next-line no-control-regex -- colours
  const plain = (line: string): string => readable(line).replace(/\u001b\[\d+m/g, '')
  const logged = {
    level: 40,
    time: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    node: 'node-1',
    address: '10.0.0.1:7100',
    tries: 2,
    msg: 'it is gone',
  }
  expect(plain(JSON.stringify(logged))).toBe('03:04:05.006 warn it is gone address=10.0.0.1:7100 tries=2')
  for (const line of ['ready', '{"level":', '{"other":1}']) expect(plain(line)).toBe(line)
})
