/**
 * P10's program: the placement of one node, called in process: no sockets, no actors. Views are made up; rings are built as in a node.
 */
import HashRing from 'hashring'
import { performance } from 'node:perf_hooks'
import type { Member } from '../../src/cluster/member.ts'
import { Placements, RouteCache } from '../../src/cluster/placements.ts'
import { RingThreads } from '../../src/cluster/ring-builder.ts'
import { RingCache } from '../../src/cluster/ring-cache.ts'
import type { View } from '../../src/cluster/view.ts'
import { serveParent } from '../harness/child.ts'

export interface Change {
  readonly ms: number
  /** The longest time in which the event loop did nothing else. */
  readonly stallMs: number
}

export interface BuildResult {
  /** From a node that knows only itself to the placement of all. */
  readonly build: Change
  /** One more. */
  readonly join: Change
  /** The package's own constructor, 512 points a node as it makes them. */
  readonly packageMs: number
}

export interface RouteResult {
  readonly cachedUs: number
  readonly coldUs: number
  /** The package's own lookup (`find` of `hashValue`) on the same nodes. */
  readonly packageUs: number
}

/** A node usually offers several types; all nodes the same. */
const TYPES = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [i === 0 ? 'user' : `type-${i}`, 1]))
const WATCH_MS = 50
const TICK_MS = 1
const log = { info: () => undefined, warn: fail, error: fail }
let views = 0

function fail(_: object, message: string): void {
  throw new Error(message)
}

function viewOf(nodes: number): View {
  const members = Array.from({ length: nodes }, (_, i): Member => {
    const meta = { roles: ['gateway', 'actors'] as const, types: TYPES, version: '0.1.0', labels: {}, weight: 1 }
    return { id: `node-${i}`, generation: 1, incarnation: 1, liveness: 'alive', phase: 'ready', address: `10.0.0.1:${7100 + i}`, meta }
  })
  return { self: { id: 'node-0', generation: 1 }, members, hash: String(++views) }
}

/** Does it while the event loop turns, and looks for the longest turn. */
async function watched(start: (done: () => void) => void): Promise<Change> {
  let [stallMs, last, running] = [0, performance.now(), true]
  // A timer and not every turn: a loop that never rests would take the core that the builder's thread needs.
  const turn = (): void => {
    const now = performance.now()
    stallMs = Math.max(stallMs, now - last - TICK_MS)
    last = now
    if (running) setTimeout(turn, TICK_MS)
  }
  turn()
  const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, WATCH_MS))
  await rest()
  stallMs = 0
  const began = performance.now()
  await new Promise<void>((resolve) => start(resolve))
  const ms = performance.now() - began
  await rest()
  running = false
  return { ms, stallMs }
}

/** Names as they come out of a parser: flat strings. */
function names(count: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, i) => JSON.parse(`"user/${prefix}-${i}"`) as string)
}

function perCallUs(calls: readonly string[], run: (name: string) => unknown): number {
  const began = performance.now()
  for (const name of calls) if (run(name) === null) throw new Error(`${name} has no owner`)
  return ((performance.now() - began) * 1000) / calls.length
}

function packageRing(nodes: number): HashRing {
  const servers = Object.fromEntries(Array.from({ length: nodes }, (_, i) => [`node-${i}`, { vnodes: 128 }]))
  return new HashRing(servers, 'md5', { 'vnode count': 1, 'max cache size': 1 })
}

serveParent(
  { ports: [], pids: {} },
  {
    idle: (): Promise<Change> => watched((done) => void setTimeout(done, WATCH_MS * 4)),

    build: async (nodes: number): Promise<BuildResult> => {
      const rings = new RingCache(new RingThreads(log))
      let changed = (): void => undefined
      const placements = new Placements(viewOf(1), rings, () => changed())
      const change = (size: number): Promise<Change> => {
        const view = viewOf(size)
        return watched((done) => {
          changed = done
          placements.see(view)
        })
      }
      const build = await change(nodes)
      const join = await change(nodes + 1)
      await rings.close()
      const began = performance.now()
      packageRing(nodes)
      return { build, join, packageMs: performance.now() - began }
    },

    routes: async ({ nodes, actors, lookups }: { nodes: number; actors: number; lookups: number }): Promise<RouteResult> => {
      const rings = new RingCache(new RingThreads(log))
      const placements = new Placements(viewOf(1), rings, () => undefined)
      placements.see(viewOf(nodes))
      while (placements.current.view.members.length < nodes) await new Promise((resolve) => setTimeout(resolve, 1))
      const { current } = placements
      const cache = new RouteCache()
      const hot = names(actors, 'hot')
      const calls = Array.from({ length: lookups }, (_, i) => hot[(i * 7919) % actors] as string)
      for (const name of hot) cache.ownerOf(current, name)
      perCallUs(calls, (name) => cache.ownerOf(current, name))
      const cachedUs = perCallUs(calls, (name) => cache.ownerOf(current, name))
      perCallUs(names(lookups, 'warm'), (name) => current.ownerOf(name))
      const coldUs = perCallUs(names(lookups, 'cold'), (name) => current.ownerOf(name))
      await rings.close()
      const theirs = packageRing(nodes) as unknown as {
        readonly ring: readonly { readonly server: string }[]
        find(hash: number): number
        hashValue(key: string): number
      }
      const find = (name: string): unknown => theirs.ring[theirs.find(theirs.hashValue(name))]?.server ?? null
      perCallUs(names(lookups, 'warm'), find)
      return { cachedUs, coldUs, packageUs: perCallUs(names(lookups, 'cold'), find) }
    },
  },
)
