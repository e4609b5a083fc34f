/** GET /traffic (server-sent events, one a second), GET and POST /simulator: what the panel of the page shows and switches. */
import type { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { z } from 'zod'
import { TroupeError } from '../../../src/index.ts'
import { SHARDS, type Totals } from '../stats.ts'
import type { TrafficSecond } from '../traffic.ts'
import { bodyOf, json, type RouteParts } from './respond.ts'

/** Given by the program that runs the simulator beside the node (start.ts); without it the page shows no switch. */
export interface SimulatorSwitch {
  running(): boolean
  set(on: boolean): void
}

export interface LiveOptions {
  readonly simulator?: SimulatorSwitch
  /** Open sockets of the node, if the program that started it knows. */
  readonly sockets?: () => Promise<number | null>
}

const VIEWERS_MAX = 1000
const TICK_MS = 1000

export function liveRoutes(http: Hono, parts: RouteParts, { simulator, sockets }: LiveOptions): void {
  /** Called once a second while somebody looks; the timer stops with the last. */
  const viewers = new Set<(line: string) => void>()
  let timer: NodeJS.Timeout | null = null
  const tick = async (): Promise<void> => {
    const second: TrafficSecond = parts.traffic.second()
    const [totals, open] = await Promise.all([totalsOf(parts).catch(() => null), sockets?.().catch(() => null) ?? null])
    const line = JSON.stringify({ ...second, totals, sockets: open, simulator: simulator?.running() ?? null })
    for (const write of viewers) write(line)
  }

  http.get('/traffic', (c) => {
    if (viewers.size >= VIEWERS_MAX)
      return c.json({ error: { code: 'overloaded', message: 'too many are watching', retryable: true } }, 503)
    return streamSSE(c, async (stream) => {
      const gone = new Promise<void>((resolve) => stream.onAbort(resolve))
      // One line may wait; who reads slower than one a second misses seconds, and costs no memory.
      let writing = false
      const write = (data: string): void => {
        if (writing) return
        writing = true
        void stream.writeSSE({ event: 'second', data }).then(
          () => (writing = false),
          () => undefined,
        )
      }
      viewers.add(write)
      timer ??= setInterval(() => void tick(), TICK_MS).unref()
      await gone
      viewers.delete(write)
      if (viewers.size === 0 && timer !== null) {
        clearInterval(timer)
        timer = null
      }
    })
  })

  http.get(
    '/simulator',
    json(async () => ({ running: simulator?.running() ?? null })),
  )
  // A JSON body keeps other sites' pages from switching it: a browser asks before sending one across origins.
  http.post(
    '/simulator',
    json(async (c) => {
      if (!/^application\/json\b/.test(c.req.header('content-type') ?? '')) throw new TroupeError('invalid', 'send application/json')
      const { running } = await bodyOf(c, z.strictObject({ running: z.boolean() }))
      if (simulator === undefined) throw new TroupeError('not_found', 'this node was started without a simulator: npm start has one')
      simulator.set(running)
      return { running: simulator.running() }
    }),
  )
  http.get(
    '/stats',
    json(() => totalsOf(parts)),
  )
}

async function totalsOf({ tools }: RouteParts): Promise<Totals> {
  const shards = (await Promise.all(Array.from({ length: SHARDS }, (_, i) => tools.query(`stats/${i}`, 'totals')))) as Totals[]
  return shards.reduce((sum, one) => ({
    notes: sum.notes + one.notes,
    events: sum.events + one.events,
    accounts: sum.accounts + one.accounts,
  }))
}
