/**
 * Fan-out: one socket sends events to one actor (or room), all others have subscribed to it. Latency of each (event, subscriber) pair,
 * from the intended time of sending to the moment the subscriber's client has read the note.
 */
import { countCpu, type CpuUse } from '../harness/proc-stat.ts'
import { Samples, type Percentiles } from '../harness/statistics.ts'
import { eventData, markOf } from './dialects.ts'
import { pause } from './events.ts'
import type { Fleet } from './fleet.ts'

export interface FanOutPlan {
  /** The actor that is followed. */
  readonly to: string
  /** Events before those that are measured. */
  readonly warmEvents: number
  readonly events: number
  /** Time between two events; long enough that one has reached all before the next. */
  readonly everyMs: number
  readonly pids: Readonly<Record<string, number>>
}
export interface FanOutResult {
  readonly latency: Percentiles
  readonly cpu: CpuUse
  /** Notes that never came. */
  readonly missed: number
}

const TIMEOUT_MS = 60_000

/** Socket 0 sends; all others subscribe. */
export async function fanOut(fleet: Fleet, plan: FanOutPlan): Promise<FanOutResult> {
  const { dialect } = fleet
  const subscribers = fleet.size - 1
  let subscribed = 0
  fleet.onMessage = (_, message) => {
    const answered = dialect.answered(message)
    if (answered < -1) throw new Error(`subscribe was answered ${message.slice(0, 300)}`)
    if (answered > 0) subscribed++
  }
  for (let socket = 1; socket <= subscribers; socket++) fleet.send(socket, dialect.subscribe(1, plan.to))
  await until(
    () => subscribed === subscribers,
    () => `${subscribed} of ${subscribers} sockets could subscribe`,
  )

  const all = plan.warmEvents + plan.events
  const intended = new Float64Array(all)
  const samples = new Samples()
  let notes = 0
  let acknowledged = 0
  fleet.onMessage = (socket, message) => {
    if (socket === 0) {
      const answered = dialect.answered(message)
      if (answered < -1) throw new Error(`an event was answered ${message.slice(0, 300)}`)
      if (answered > 0) acknowledged++
      return
    }
    const event = markOf(message)
    if (event < 0) return
    notes++
    if (event >= plan.warmEvents) samples.add(performance.now() - (intended[event] as number))
  }
  const start = performance.now()
  let cpu: (() => CpuUse) | null = null
  for (let event = 0; event < all; event++) {
    const due = start + (event + 1) * plan.everyMs
    await pause(Math.max(0, due - performance.now()))
    if (event === plan.warmEvents) cpu = countCpu({ ...plan.pids, load: process.pid })
    // A timer may fire a fraction early; late, the wait counts.
    intended[event] = Math.min(due, performance.now())
    fleet.send(0, dialect.event(event + 1, eventData(event), event + 1, acknowledged + 1, plan.to))
  }
  const want = all * subscribers
  await until(
    () => notes >= want,
    () => `${want - notes} of ${want} notes never came`,
  )
  return { latency: samples.percentiles(), cpu: (cpu as () => CpuUse)(), missed: want - notes }
}

async function until(holds: () => boolean, complaint: () => string): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(complaint())
    await pause(2)
  }
}
