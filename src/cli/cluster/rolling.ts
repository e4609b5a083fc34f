/**
 * A rolling restart: one node after the other, so that the others hold its actors and clients meanwhile.
 *
 *     drain ──gone──▶ start ──ready──▶ settle ──▶ the next
 *       │(DRAIN_MAX_MS: killed)  └─ ended before it was ready ─▶ the restart stops, the others go on as they are
 *
 *  1. A node that is out is started, one that waits to be too. One that just starts is new already: it is waited for.
 *  2. Settled: all that serve route by one placement and hand nothing over any more. Else the next would be drained while its share of the
 *     last one's actors is still on its way. Who cannot say, or a busy cluster that never comes to rest, is not waited for without end.
 *  3. A node that does not come up again stops it: what kept this one from starting would keep every other one too.
 */
import type { Clock, Timer } from '../../base/clock.ts'
import type { Standing } from './standing.ts'

export interface Restarted {
  readonly name: string
  readonly phase: () => 'starting' | 'serving' | 'waiting' | 'left'
  /** How often it has begun to serve; how often it has ended. */
  readonly served: () => number
  readonly ended: () => number
  /** It is started again as soon as it has ended. */
  readonly end: (signal: 'SIGTERM' | 'SIGKILL') => void
  readonly begin: () => void
  readonly ask: () => void
  /** How its last process ended, in its own words if it had any. */
  readonly why: () => string
  readonly standing: () => Standing | null
  readonly said: (line: string) => void
}

export interface RollingParts {
  readonly clock: Clock
  /** All are to end: nothing is started any more. */
  readonly ending: () => boolean
  /** Looks at each change of a node, and when `changed` is called. */
  readonly until: (over: () => boolean) => Promise<void>
  readonly changed: () => void
}

/** A drain ends by itself after about a minute, whatever clients and store do; this is for a process that hangs. */
const DRAIN_MAX_MS = 120_000
const SETTLE_MAX_MS = 30_000
const ASK_EVERY_MS = 50

/** Never rejects. */
export async function rollingRestart(nodes: readonly Restarted[], parts: RollingParts): Promise<void> {
  const { clock, ending } = parts
  const begun = clock.mono()
  for (const [i, node] of nodes.entries()) {
    node.said(`restarts (${i + 1} of ${nodes.length})`)
    if (!(await restarted(node, parts))) {
      if (!ending()) node.said(`did not come back: ${node.why()}; the rolling restart stops here, the others go on as they are`)
      return
    }
    await settled(nodes, parts)
    if (ending()) return
  }
  nodes.at(-1)?.said(`was the last: all ${nodes.length} were restarted, in ${((clock.mono() - begun) / 1000).toFixed(1)} s`)
}

/** false: it ended before it served, or all are to end. */
async function restarted(node: Restarted, { clock, ending, until }: RollingParts): Promise<boolean> {
  const [served, ended] = [node.served(), node.ended()]
  let ends = 0
  let timer: Timer | null = null
  switch (node.phase()) {
    case 'serving':
      ends = 1
      node.end('SIGTERM')
      timer = clock.after(DRAIN_MAX_MS, () => {
        node.said(`did not drain within ${DRAIN_MAX_MS / 1000} s: it is ended; what was acknowledged is kept`)
        node.end('SIGKILL')
      })
      break
    case 'left':
    case 'waiting':
      node.begin()
      break
    case 'starting':
  }
  await until(() => ending() || node.ended() >= ended + ends)
  timer?.cancel()
  await until(() => ending() || node.served() > served || node.ended() > ended + ends)
  return !ending() && node.served() > served
}

/** 2. */
async function settled(nodes: readonly Restarted[], { clock, ending, until, changed }: RollingParts): Promise<void> {
  const end = clock.mono() + SETTLE_MAX_MS
  while (!ending() && clock.mono() < end) {
    const serving = nodes.filter(({ phase }) => phase() === 'serving')
    for (const node of serving) node.ask()
    let asked = true
    clock.after(ASK_EVERY_MS, () => {
      asked = false
      changed()
    })
    await until(() => ending() || !asked)
    if (atRest(serving)) return
  }
}

function atRest(serving: readonly Restarted[]): boolean {
  const [first] = serving
  return serving.every((node) => {
    const standing = node.standing()
    return standing?.inService === true && standing.toHandOver === 0 && standing.placement === first?.standing()?.placement
  })
}
