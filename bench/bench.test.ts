/**
 * The benches with tiny inputs, so that they cannot rot: every program starts, every figure is there, every event that was
 * acknowledged is recorded (the benches check that themselves). Nothing is asserted about speed.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { findMongod } from '../test/support/mongo-real.ts'
import { BENCHES } from './benches.ts'
import { Sheet, type BenchOptions } from './harness/bench.ts'
import { table } from './harness/report.ts'
import { percentiles, ratioByRound, spread } from './harness/statistics.ts'
import { findSystem, whyNot } from './harness/systems.ts'
import { DIALECTS, eventData, markOf } from './load/dialects.ts'
import { maskedFrame, readFrames } from './load/frames.ts'
import { picker } from './load/picker.ts'
import { Requests } from './load/requests.ts'

const options: BenchOptions = {
  quick: true,
  rounds: 1,
  size: 1,
  systems: null,
  profile: null,
  details: false,
  othersMax: Infinity,
  say: () => undefined,
}

/** One peer at most for each: a process costs more to start than the tiny input does. */
const SYSTEMS: Readonly<Record<string, readonly string[]>> = {
  p1: ['troupe', 'ws-commit'],
  p2: ['troupe', 'troupe-2'],
  p3: ['troupe'],
  p4: ['troupe', 'troupe-2', 'ws-memory'],
  p5: ['troupe', 'bare-net'],
  p6: ['troupe'],
  p7: ['troupe', 'ws-token'],
  p8: ['troupe'],
  p9: ['troupe', 'troupe-3'],
  p10: ['troupe'],
  links: ['troupe'],
  mongodb: ['troupe', 'troupe-mongodb'],
  f1: ['troupe'],
  f2: ['troupe'],
  f3: ['troupe'],
  f4: ['troupe'],
  f5: ['troupe'],
  scale: ['troupe', 'troupe-calm', 'memberlist'],
  f6: ['troupe'],
  f7: ['troupe'],
}

describe('each bench runs with tiny inputs and gives figures for every system', () => {
  // Where there is no MongoDB bench/mongodb.test.ts looks at what it says.
  const mongodb = process.env['MONGODB_URL'] !== undefined || findMongod() !== null
  for (const bench of BENCHES.filter(({ name }) => name !== 'mongodb' || mongodb))
    test(`${bench.name}: ${bench.about}`, async () => {
      const systems = SYSTEMS[bench.name] as readonly string[]
      const rows = await bench.run({ ...options, systems })
      expect([...new Set(rows.map((row) => row.system))].toSorted()).toEqual(systems.toSorted())
      for (const { values } of rows) for (const value of values) expect(Number.isFinite(value)).toBe(true)
      expect(table(rows).split('\n').length).toBe(rows.length + 2)
    })
})

test('run.ts explains itself: --help with 0, wrong use with 2', () => {
  const run = (...args: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } =>
    spawnSync(process.execPath, [fileURLToPath(new URL('run.ts', import.meta.url)), ...args], { encoding: 'utf8' })
  const help = run('--help')
  expect(help).toMatchObject({ status: 0, stderr: '' })
  for (const { name } of BENCHES) expect(help.stdout).toContain(`  ${name}  `)
  for (const wrong of [['--nope'], ['--rounds', '0'], ['--size', '2'], ['--others-max', 'x'], ['p99']]) {
    const { status, stdout, stderr } = run(...wrong)
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^[^\n]+\n\nusage: /)
  }
})

describe('the harness', () => {
  test('events have 56 bytes, whatever their mark, and the mark is found again', () => {
    for (const mark of [0, 1, 4711, 79_999_999]) {
      expect(eventData(mark).length).toBe(56)
      expect(markOf(`{"t":"note","data":${eventData(mark)}}`)).toBe(mark)
    }
  })

  test('frames survive masking, and a cut anywhere leaves the rest for later', () => {
    for (const payload of ['{"hello":true}', 'x'.repeat(125), 'x'.repeat(126), 'x'.repeat(5000)]) {
      const frame = maskedFrame(1, payload)
      const head = payload.length < 126 ? 2 : 4
      const mask = frame.subarray(head, head + 4)
      const unmasked = Buffer.concat([frame.subarray(0, head), frame.subarray(head + 4).map((byte, i) => byte ^ (mask[i & 3] as number))])
      unmasked[1] = (unmasked[1] as number) & 0x7f
      const both = Buffer.concat([unmasked, unmasked])
      for (const cut of [0, 1, 3, unmasked.length - 1, unmasked.length, unmasked.length + 2, both.length]) {
        const seen: string[] = []
        const used = readFrames(both, cut, (_, start, end) => seen.push(both.toString('latin1', start, end)))
        expect(seen).toEqual(Array.from({ length: Math.floor(cut / unmasked.length) }, () => payload))
        expect(used).toBe(seen.length * unmasked.length)
      }
    }
  })

  test('numbers of requests are reused, and the base is the oldest unanswered sequence', () => {
    const requests = new Requests(2)
    const [first, second, third] = [requests.take(0, 1), requests.take(0, 2), requests.take(0, 3)] as [number, number, number]
    expect([requests.sequence(first), requests.sequence(second), requests.sequence(third)]).toEqual([1, 2, 3])
    expect(requests.answered(second, 0)).toBe(2)
    expect(requests.base(0)).toBe(1)
    expect(requests.answered(first, 0)).toBe(1)
    expect(requests.base(0)).toBe(3)
    expect(() => requests.answered(third, 1)).toThrow('did not ask')
    expect(() => requests.answered(first, 0)).toThrow('did not ask')
    expect([first, second]).toContain(requests.take(1, 4))
    expect(requests.outstanding).toBe(2)
  })

  test('Zipf 0.99 gives each rank its share', () => {
    const users = 1000
    const counts = new Float64Array(users)
    const pick = picker('zipf', users, 'shares')
    for (let i = 0; i < 1_000_000; i++) {
      const user = pick()
      counts[user] = (counts[user] as number) + 1
    }
    const harmonic = Array.from({ length: users }, (_, rank) => (rank + 1) ** -0.99).reduce((sum, weight) => sum + weight, 0)
    for (const rank of [0, 1, 9]) expect((counts[rank] as number) / 1_000_000).toBeCloseTo((rank + 1) ** -0.99 / harmonic, 2)
  })

  test('medians, percentiles and ratios', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3, rounds: 3 })
    expect(spread([4, 1, 2, 3]).median).toBe(2.5)
    expect(ratioByRound([10, 30], [10, 10])).toEqual({ median: 2, low: 1, high: 3, rounds: 2 })
    expect(percentiles(Float64Array.from({ length: 1000 }, (_, i) => 1000 - i))).toEqual({
      p50: 500,
      p95: 950,
      p99: 990,
      p999: 999,
      max: 1000,
      samples: 1000,
    })
  })

  test('a target is met or missed by the median of the ratios of the rounds', () => {
    const sheet = new Sheet('x')
    sheet.target('max', { to: 'ws-commit', relation: '>=', value: 1 })
    for (const [ours, theirs] of [
      [9, 10],
      [12, 10],
      [13, 10],
    ] as const) {
      sheet.add('case', 'troupe', 'max', 'events/s', ours)
      sheet.add('case', 'ws-commit', 'max', 'events/s', theirs)
    }
    const [row] = sheet.rows()
    expect(row?.ratios).toEqual([{ to: 'ws-commit', value: { median: 1.2, low: 0.9, high: 1.3, rounds: 3 }, target: '>= 1', met: true }])
  })

  test('an answer of ours that refuses is not taken for an acknowledgement', () => {
    const { answered } = DIALECTS.troupe
    expect(answered('{"t":"reply","id":12,"ok":true,"offset":3,"durable":true}')).toBe(12)
    expect(answered('{"t":"reply","id":12,"ok":false,"error":{"code":"overloaded"}}')).toBe(-14)
    expect(answered('{"t":"note","sub":1,"offset":3,"from":3}')).toBe(-1)
  })

  test('unknown systems are named with what there is, and what cannot run says why', async () => {
    expect(() => findSystem('nats')).toThrow('ws-commit')
    expect(() => findSystem('troupe=/nowhere')).toThrow('not there')
    expect(await whyNot(findSystem('ws-commit'))).toBeNull()
  })
})
