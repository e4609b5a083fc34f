/** Every property of the gateways. Those of the entries that actors owe are the engine's own. */
import { effects } from '../checks/effects.ts'
import { timers } from '../checks/timers.ts'
import type { MakeGatewayCheck } from '../gateway-check.ts'
import { bounds } from './bounds.ts'
import { debounce } from './debounce.ts'
import { drain } from './drain.ts'
import { gaps } from './gaps.ts'
import { gate } from './gate.ts'
import { once } from './once.ts'
import { order } from './order.ts'
import { sessions } from './sessions.ts'
import { slow } from './slow.ts'

export const GATEWAY_CHECKS: readonly MakeGatewayCheck[] = [
  gate,
  once,
  order,
  debounce,
  gaps,
  sessions,
  slow,
  drain,
  bounds,
  // Named after what a client counts on: sends between actors and timers, each exactly once.
  (facts, fail) => ({ name: 'sends', end: () => effects(facts, fail).end?.() }),
  (facts, fail) => ({ name: 'timers', end: () => timers(facts, fail).end?.() }),
]
