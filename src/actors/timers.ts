/**
 * Durable timers of an activation: set, dropped, rung. Each is in the memory, in the open batch (so that it is durable with the entry that
 * asked for it) and, once that batch is durable, among the node's alarms.
 */
import type { Activation } from './activation.ts'
import type { Host } from './host.ts'
import type { ActorMemory, Timer } from './memory.ts'
import type { Task } from './requests.ts'
import { takeEvent } from './take.ts'

/** Sets a timer; the same name replaces. Its alarm is set when the batch is durable. */
export function setTimer(host: Host, { memory, writer }: Activation, name: string, timer: Timer): void {
  memory.timers ??= new Map()
  cancelAlarm(host, memory, name)
  memory.timers.set(name, timer)
  writer.draft.timer(name, timer)
}

export function dropTimer(host: Host, { memory, writer }: Activation, name: string): void {
  cancelAlarm(host, memory, name)
  if (memory.timers?.delete(name) === true) writer.draft.timer(name, null)
}

function cancelAlarm(host: Host, memory: ActorMemory, name: string): void {
  const timer = memory.timers?.get(name)
  if (timer !== undefined) host.alarms.cancel(timer)
}

/** The memory goes away: none of its alarms may hold it. */
export function cancelAlarms(host: Host, memory: ActorMemory): void {
  for (const timer of memory.timers?.values() ?? []) host.alarms.cancel(timer)
}

/** The time has come. Its event is taken and the timer is gone in the same batch: it applies once. */
export function ringTimer(host: Host, activation: Activation, name: string, timer: Timer, claimFirst: (task: Task) => boolean): void {
  const due = (): boolean => !host.dead && !activation.over && activation.memory.timers?.get(name) === timer
  if (!due()) return
  const task: Task = {
    waits: true,
    run: () => {
      if (!due() || claimFirst(task)) return
      host.counters.timersFired++
      dropTimer(host, activation, name)
      takeEvent(activation, host, { timer: name, notBefore: timer.notBefore, type: timer.type, json: timer.json })
    },
    moved: () => undefined, // whoever owns the actor next has the timer
    failed: () => undefined,
  }
  activation.offer(task, false)
}
