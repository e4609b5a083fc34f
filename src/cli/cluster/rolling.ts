/**
 * A rolling restart: one node after the other, so that the others hold its actors and clients meanwhile.
 *
 *     all others serve ──▶ drain ──gone──▶ start ──ready──▶ settle ──▶ the next
 *           │                │               │                └─ one that was restarted ends again ─▶ it stops
 *           │                │               └─ ends before it is ready, or is not within START_MAX_MS (killed) ─▶ it stops
 *           │                └─ not within DRAIN_MAX_MS: killed, and on
 *           └─ not within SETTLE_MAX_MS, here or while it settles ─▶ it stops; the others go on as they are
 *
 *  1. A node that is out is started, one that waits to be too. One that just starts is new already: it is waited for.
 *  2. Never two at once: all that were not out when it began, and all that it has restarted, have to serve before the next is drained.
 *  3. Settled: all that serve route by one placement and hand nothing over any more. Else the next would be drained while its share of the
 *     last one's actors is still on its way. Who cannot say, or a busy cluster that never comes to rest, is not waited for without end.
 *  4. A node that does not come up again, or does not stay up, stops it: what keeps this one from serving would keep every other one too.
 *     That is told at once, also while a later one drains or starts; that one is still followed until it serves, or has failed to.
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

/** Why it stops, and at which node. */
interface Stop {
  readonly node: Restarted
  readonly why: string
}

/** A drain ends by itself after about a minute, whatever clients and store do; this is for a process that hangs. */
const DRAIN_MAX_MS = 120_000
/** So does a start: it fails by itself when a port or the store is not to be had. An app that never finishes loading does not. */
const START_MAX_MS = 120_000
const SETTLE_MAX_MS = 30_000
const ASK_EVERY_MS = 50

/** Never rejects. */
export async function rollingRestart(nodes: readonly Restarted[], parts: RollingParts): Promise<void> {
  const { clock, ending } = parts
  const begun = clock.mono()
  const toServe = new Set(nodes.filter(({ phase }) => phase() !== 'left'))
  /** Those that were restarted, and how often each had ended by then. */
  const renewed = new Map<Restarted, number>()
  const fallen = (): Stop | null => {
    for (const [node, ended] of renewed) if (node.ended() > ended) return didNotComeBack(node, node.why())
    return null
  }
  const tell = ({ node, why }: Stop): void => node.said(`${why}; the rolling restart stops here, the others go on as they are`)
  for (const [i, node] of nodes.entries()) {
    // One that is down already takes nobody out when it is started.
    let stop = node.phase() === 'serving' ? await othersServe(node, toServe, parts) : null
    if (stop === null && !ending()) {
      node.said(`restarts (${i + 1} of ${nodes.length})`)
      const back = restarted(node, parts)
      let over = false
      stop = await Promise.race([back, parts.until(() => over || fallen() !== null).then(fallen)])
      over = true
      if (stop !== null && stop.node !== node) {
        if (!ending()) tell(stop)
        await back
        return
      }
      toServe.add(node)
      renewed.set(node, node.ended())
    }
    if (stop === null && !ending()) stop = await settled(nodes, toServe, fallen, parts)
    if (ending()) return
    if (stop !== null) return tell(stop)
  }
  nodes.at(-1)?.said(`was the last: all ${nodes.length} were restarted, in ${((clock.mono() - begun) / 1000).toFixed(1)} s`)
}

/** 2, before one is drained. */
async function othersServe(
  node: Restarted,
  toServe: ReadonlySet<Restarted>,
  { clock, ending, until, changed }: RollingParts,
): Promise<Stop | null> {
  const missing = (): Restarted | undefined => [...toServe].find((other) => other !== node && other.phase() !== 'serving')
  let late = false
  const timer = clock.after(SETTLE_MAX_MS, () => {
    late = true
    changed()
  })
  await until(() => ending() || late || missing() === undefined)
  timer.cancel()
  const other = missing()
  return other === undefined ? null : doesNotServe(other)
}

/** null: it serves, or all are to end. */
async function restarted(node: Restarted, { clock, ending, until, changed }: RollingParts): Promise<Stop | null> {
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
  let late = false
  timer = clock.after(START_MAX_MS, () => {
    late = true
    changed()
  })
  await until(() => ending() || late || node.served() > served || node.ended() > ended + ends)
  timer.cancel()
  if (ending()) return null
  if (node.ended() > ended + ends) return didNotComeBack(node, node.why())
  if (node.served() > served) return null
  // Not left to hang: it is started again, with the code that is there then.
  node.end('SIGKILL')
  return didNotComeBack(node, `it was not ready within ${START_MAX_MS / 1000} s, and is ended`)
}

/** 2 and 3. null: it may go on, or all are to end. */
async function settled(
  nodes: readonly Restarted[],
  toServe: ReadonlySet<Restarted>,
  fallen: () => Stop | null,
  { clock, ending, until, changed }: RollingParts,
): Promise<Stop | null> {
  const end = clock.mono() + SETTLE_MAX_MS
  for (;;) {
    const serving = nodes.filter(({ phase }) => phase() === 'serving')
    for (const node of serving) node.ask()
    let asked = true
    clock.after(ASK_EVERY_MS, () => {
      asked = false
      changed()
    })
    await until(() => ending() || !asked)
    if (ending()) return null
    const fell = fallen()
    if (fell !== null) return fell
    const missing = [...toServe].find((node) => !serves(node))
    if (missing === undefined && atRest(serving)) return null
    if (clock.mono() >= end) return missing === undefined ? null : doesNotServe(missing)
  }
}

/** One that joins, or drains because somebody asked it to, says so itself; who says nothing is taken to serve. */
function serves(node: Restarted): boolean {
  return node.phase() === 'serving' && node.standing()?.inService !== false
}

function atRest(serving: readonly Restarted[]): boolean {
  const [first] = serving
  return serving.every((node) => {
    const standing = node.standing()
    return standing?.inService === true && standing.toHandOver === 0 && standing.placement === first?.standing()?.placement
  })
}

function didNotComeBack(node: Restarted, why: string): Stop {
  return { node, why: `did not come back: ${why}` }
}

function doesNotServe(node: Restarted): Stop {
  const why = { starting: 'it still starts', serving: 'it joins or drains', waiting: node.why(), left: 'it has left' }[node.phase()]
  return { node, why: `does not serve, and was waited for ${SETTLE_MAX_MS / 1000} s: ${why}` }
}
