/**
 * What happens in a run, drawn from its seed before it begins: which operations at which times, and which faults. Each item stands for itself, with its own
 * time and its own draws, so a run without some of them is a run of the others: that is how the smallest one that still fails is found.
 *
 * Every seed draws *which* faults there are, and how often (swarm testing: A. Groce, 2012): a run with all of them at once hides what only two of them do.
 */
import { seeded } from '../base/random.ts'
import { drawFrom, type Draw } from './draw.ts'
import type { StoreFailure } from './store-faults.ts'

export type Item = { readonly atMs: number } & (
  | { readonly kind: 'operation'; readonly user: string; readonly name: string; readonly stream: string }
  | { readonly kind: 'crash' | 'freeze' | 'drain'; readonly node: string; readonly forMs: number }
  | { readonly kind: 'cut'; readonly from: string; readonly to: string; readonly how: 'both' | 'one-way'; readonly forMs: number }
  | { readonly kind: 'store'; readonly how: StoreFailure; readonly times: number }
  | { readonly kind: 'join'; readonly node: string }
)
export type FaultKind = Exclude<Item['kind'], 'operation'>
export type Mishap = Extract<Item, { kind: FaultKind }>

export interface PlanAsked {
  readonly seed: number
  readonly nodes: number
  readonly minutes: number
  readonly users: readonly string[]
  readonly operations: readonly { readonly name: string; readonly weight: number }[]
}

const MINUTE_MS = 60_000
/** Ms between two operations. */
const GAPS_MS = [50, 200, 500, 1000, 3000] as const
const OPERATIONS_MAX = 5000
const FAULTS: Readonly<Record<FaultKind, { readonly perMinute: readonly [number, number]; readonly forMs: number }>> = {
  crash: { perMinute: [1, 12], forMs: 10_000 },
  freeze: { perMinute: [1, 8], forMs: 9_000 },
  cut: { perMinute: [1, 8], forMs: 15_000 },
  drain: { perMinute: [0.5, 4], forMs: 5_000 },
  store: { perMinute: [1, 60], forMs: 0 },
  join: { perMinute: [0.2, 1], forMs: 0 },
}
const JOINS_MAX = 3
/** A run without any fault is a run, too. */
const FAULT_SHARE = 0.5

export function drawPlan(asked: PlanAsked): readonly Item[] {
  const items = [...operations(asked), ...drawFaults(asked)]
  return items.sort((a, b) => a.atMs - b.atMs)
}

function operations({ seed, minutes, users, operations: known }: PlanAsked): Item[] {
  const draw = drawFrom(seeded(`${seed}/plan/operations`))
  const gapMs = draw.of(GAPS_MS)
  // One busy user in half of the runs, some operations missing in others.
  const busy = draw.chance(0.5) ? draw.float() : 0
  const some = draw.chance(0.3) ? draw.some(known) : known
  const chosen = some.length === 0 ? known : some
  const sum = chosen.reduce((all, { weight }) => all + weight, 0)
  const items: Item[] = []
  for (let atMs = waited(draw, gapMs); atMs < minutes * MINUTE_MS && items.length < OPERATIONS_MAX; atMs += waited(draw, gapMs)) {
    const user = draw.chance(busy) ? (users[0] as string) : draw.of(users)
    let place = draw.float() * sum
    const { name } = chosen.find(({ weight }) => (place -= weight) < 0) ?? (chosen.at(-1) as { name: string })
    items.push({ atMs, kind: 'operation', user, name, stream: `${seed}/operation/${items.length}` })
  }
  return items
}

export function drawFaults({ seed, nodes, minutes }: Pick<PlanAsked, 'seed' | 'nodes' | 'minutes'>): Mishap[] {
  const choices = drawFrom(seeded(`${seed}/plan/faults`))
  const names = Array.from({ length: nodes }, (_, i) => `n${i + 1}`)
  const items: Mishap[] = []
  for (const kind of Object.keys(FAULTS) as FaultKind[]) {
    const { perMinute, forMs } = FAULTS[kind]
    const [least, most] = perMinute
    const rate = least * (most / least) ** choices.float()
    if (!choices.chance(FAULT_SHARE) || (nodes < 2 && kind !== 'store' && kind !== 'crash')) continue
    // Its own stream for each kind: a seed's crashes are the same with and without cuts.
    const draw = drawFrom(seeded(`${seed}/plan/${kind}`))
    let count = 0
    for (let atMs = waited(draw, MINUTE_MS / rate); atMs < minutes * MINUTE_MS; atMs += waited(draw, MINUTE_MS / rate)) {
      if (kind === 'join' && ++count > JOINS_MAX) break
      items.push({ atMs, ...fault(kind, draw, names, forMs, count) } as Mishap)
    }
  }
  return items
}

function fault(kind: FaultKind, draw: Draw, names: readonly string[], mostMs: number, count: number): object {
  const forMs = draw.float() * mostMs
  const node = draw.of(names)
  switch (kind) {
    case 'crash':
    case 'freeze':
    case 'drain':
      return { kind, node, forMs }
    case 'cut': {
      const to = draw.of(names.filter((other) => other !== node))
      return { kind, from: node, to, how: draw.chance(0.5) ? 'both' : 'one-way', forMs }
    }
    case 'store':
      return { kind, how: draw.of(['before', 'after', 'unknown'] as const), times: draw.whole(1, 3) }
    case 'join':
      return { kind, node: `joined-${count}` }
  }
}

/** Until the next of a Poisson process. */
function waited(draw: Draw, meanMs: number): number {
  return -Math.log(1 - draw.float()) * meanMs
}

/** A line for people. */
export function itemText(item: Item): string {
  const time = `${(item.atMs / 1000).toFixed(3)} s`.padStart(12)
  switch (item.kind) {
    case 'operation':
      return `${time}  ${item.user}: ${item.name}`
    case 'crash':
      return `${time}  ${item.node} crashes, and starts again ${seconds(item.forMs)} later`
    case 'freeze':
      return `${time}  ${item.node} freezes for ${seconds(item.forMs)}`
    case 'drain':
      return `${time}  ${item.node} drains, and starts again ${seconds(item.forMs)} later`
    case 'cut':
      return `${time}  ${item.how === 'both' ? `the line between ${item.from} and ${item.to}` : `the way from ${item.from} to ${item.to}`} is cut for ${seconds(item.forMs)}`
    case 'store':
      return `${time}  the next ${item.times === 1 ? 'write' : `${item.times} writes`} to the store fail: ${item.how}`
    case 'join':
      return `${time}  ${item.node} joins`
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
