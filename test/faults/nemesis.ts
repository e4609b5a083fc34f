/**
 * What goes wrong, drawn from a seed: which fault, on whom, for how long. (When exactly it strikes is up to the machine.) Faults overlap; a node
 * that ends for whatever reason is started again under its name. A node that ends by itself is a violation.
 */
import type { Network } from '../cluster-processes/netns.ts'
import type { Dice } from './dice.ts'
import type { Ledger } from './ledger.ts'
import { hunt } from './lock-hunter.ts'
import { type Exit, type FaultNode, storeIn } from './node-process.ts'
import { violation } from './records.ts'

export type Group = 'kill' | 'freeze' | 'cut' | 'drain' | 'together'
export const GROUPS: readonly Group[] = ['kill', 'freeze', 'cut', 'drain', 'together']

type Kind =
  | 'kill'
  | 'kill-hint'
  | 'kill-commit'
  | 'freeze'
  | 'freeze-long'
  | 'freeze-transaction'
  | 'cut'
  | 'cut-one-way'
  | 'cut-off'
  | 'drain'
  | 'kill-handoff'
  | 'kill-all'
  | 'freeze-all'

const KINDS: Readonly<Record<Kind, { readonly group: Group; readonly weight: number }>> = {
  kill: { group: 'kill', weight: 10 },
  'kill-hint': { group: 'kill', weight: 9 },
  'kill-commit': { group: 'kill', weight: 8 },
  freeze: { group: 'freeze', weight: 12 },
  'freeze-long': { group: 'freeze', weight: 6 },
  'freeze-transaction': { group: 'freeze', weight: 10 },
  cut: { group: 'cut', weight: 8 },
  'cut-one-way': { group: 'cut', weight: 8 },
  'cut-off': { group: 'cut', weight: 10 },
  drain: { group: 'drain', weight: 6 },
  'kill-handoff': { group: 'drain', weight: 8 },
  'kill-all': { group: 'together', weight: 1 },
  'freeze-all': { group: 'together', weight: 2 },
}

const HUNT_MS = 600
const ARMED_MS = 3000
const DRAIN_MS = 90_000
const HANDOFF_MS = 10_000
const HEAL_MS = 180_000
/** After a thaw, a SIGKILL of another node may be on its way still. */
const THAW_GRACE_MS = 2000

export interface NemesisParts {
  readonly dir: string
  readonly nodes: readonly FaultNode[]
  readonly network: Network | null
  readonly groups: readonly Group[]
  readonly dice: Dice
  readonly ledger: Ledger
  readonly paceMs: number
  readonly log: (what: string) => void
}

export class Nemesis {
  readonly #parts: NemesisParts
  readonly #tasks = new Set<Promise<void>>()
  readonly #busy = new Set<FaultNode>()
  /** Who is to end, and how: 'drain' in order. */
  readonly #doomed = new Map<FaultNode, 'kill' | 'drain'>()
  /** Until when others may have ended it, because it stood still with a lock. */
  readonly #still = new Map<FaultNode, number>()
  #over = false

  constructor(parts: NemesisParts) {
    this.#parts = parts
    for (const node of parts.nodes) void this.#mind(node)
  }

  /** Until `enough`. */
  async run(enough: () => boolean): Promise<void> {
    const { dice, paceMs } = this.#parts
    while (!enough()) {
      await pause(dice.between(0.4, 1.6) * paceMs)
      if (enough()) break
      while (this.#free().length < 2 && !enough()) await pause(50)
      this.#strike()
    }
  }

  /** Ends all faults; resolves when every node serves again, or should. */
  async heal(): Promise<void> {
    const { nodes, network, ledger } = this.#parts
    network?.healAll()
    await Promise.all(this.#tasks)
    network?.healAll()
    for (const node of nodes) if (node.frozen) this.#thaw(node)
    const end = performance.now() + HEAL_MS
    while (nodes.some((node) => !node.ready) && performance.now() < end) await pause(50)
    const out = nodes.filter((node) => !node.ready).map(({ name }) => name)
    if (out.length > 0) ledger.judge(violation('convergence', `${out.join(', ')}: not serving ${HEAL_MS} ms after the last fault`))
  }

  /** From here on nodes that end stay out, and nobody asks why. */
  stop(): void {
    this.#over = true
  }

  #free(): readonly FaultNode[] {
    return this.#parts.nodes.filter((node) => node.ready && !node.frozen && !this.#busy.has(node))
  }

  #strike(): void {
    const { dice, groups, network, ledger, log } = this.#parts
    const kinds = (Object.keys(KINDS) as Kind[]).filter(
      (kind) => groups.includes(KINDS[kind].group) && (KINDS[kind].group !== 'cut' || network !== null),
    )
    const sum = kinds.reduce((total, kind) => total + KINDS[kind].weight, 0)
    let at = dice.next() * sum
    const kind = kinds.find((one) => (at -= KINDS[one].weight) < 0) ?? (kinds[0] as Kind)
    const free = this.#free()
    if (free.length === 0) return
    const node = dice.pick(free)
    ledger.hits.faults++
    ledger.byKind.set(kind, (ledger.byKind.get(kind) ?? 0) + 1)
    log(`${kind} ${node.name}`)
    const task = this.#act(kind, node).catch((error: unknown) =>
      ledger.judge(violation('crash', `${kind} of ${node.name}: ${String(error)}`)),
    )
    this.#tasks.add(task)
    void task.finally(() => this.#tasks.delete(task))
  }

  async #act(kind: Kind, node: FaultNode): Promise<void> {
    const { dice } = this.#parts
    switch (kind) {
      case 'kill':
        return this.#kill(node)
      case 'kill-hint':
        return this.#killAt(node, 'hint')
      case 'kill-commit':
        return this.#killAt(node, 'commit')
      case 'freeze':
        return this.#freeze([node], dice.between(50, 1500))
      case 'freeze-long':
        return this.#freeze([node], dice.between(4000, 9000))
      case 'freeze-transaction':
        return this.#freezeInTransaction()
      case 'cut':
      case 'cut-one-way':
      case 'cut-off':
        return this.#cut(kind, node)
      case 'drain':
        return this.#drain(node)
      case 'kill-handoff':
        return this.#killInHandoff(node)
      case 'kill-all':
        return void this.#parts.nodes.map((one) => one.running && this.#kill(one))
      case 'freeze-all':
        return this.#freeze(this.#free(), dice.between(200, 6000))
    }
  }

  async #kill(node: FaultNode): Promise<void> {
    if (!node.running) return
    this.#doomed.set(node, 'kill')
    node.signal('SIGKILL')
    await node.exited
  }

  /** The hook kills it at that place; if it does not come there in time, it is killed wherever it is. */
  async #killAt(node: FaultNode, place: 'hint' | 'commit'): Promise<void> {
    this.#busy.add(node)
    this.#doomed.set(node, 'kill')
    const armed = node.arm(place)
    try {
      await Promise.race([node.exited, pause(ARMED_MS)])
      armed.disarm()
      if (node.running) await this.#kill(node)
      const { hits } = this.#parts.ledger
      if (armed.evidence === null) return
      if (place === 'hint') hits.hintKills++
      else hits.commitKills++
    } finally {
      this.#busy.delete(node)
    }
  }

  async #freeze(nodes: readonly FaultNode[], ms: number): Promise<void> {
    for (const node of nodes) this.#stand(node)
    await pause(ms)
    for (const node of nodes) this.#thaw(node)
  }

  #stand(node: FaultNode): void {
    this.#still.set(node, Infinity)
    node.signal('SIGSTOP')
  }

  #thaw(node: FaultNode): void {
    this.#still.set(node, performance.now() + THAW_GRACE_MS)
    node.signal('SIGCONT')
  }

  async #freezeInTransaction(): Promise<void> {
    const { dice, dir, ledger } = this.#parts
    const free = this.#free()
    const then = dice.next()
    const ms = then < 0.5 ? dice.between(100, 1500) : 6000
    // Before the hunt: whoever it stops may be ended by the others from then on.
    for (const node of free) this.#busy.add(node)
    const prey = await hunt(storeIn(dir), free.map(({ pid }) => pid), HUNT_MS) // prettier-ignore
    for (const node of free) this.#busy.delete(node)
    const node = free.find(({ pid }) => pid === prey?.pid)
    if (prey === null || node === undefined) return
    this.#stand(node)
    if (prey.inTransaction) ledger.hits.frozenInTransaction++
    if (then > 0.8) return this.#kill(node)
    await Promise.race([pause(ms), node.exited])
    this.#thaw(node)
  }

  async #cut(kind: 'cut' | 'cut-one-way' | 'cut-off', node: FaultNode): Promise<void> {
    const { dice, nodes, network } = this.#parts
    if (network === null) return
    const own = nodes.indexOf(node)
    const others = nodes.map((_, i) => i).filter((i) => i !== own)
    const other = dice.pick(others)
    const both = (i: number): [number, number][] => [[own, i], [i, own]] // prettier-ignore
    const links: [number, number][] = kind === 'cut-off' ? others.flatMap(both) : kind === 'cut' ? both(other) : [[own, other]]
    for (const [from, to] of links) network.cut(from, to)
    // Beyond a suspicion more often than not: then both sides have owners.
    await pause(dice.chance(0.35) ? dice.between(300, 2000) : dice.between(4000, 10_000))
    for (const [from, to] of links) network.heal(from, to)
  }

  async #drain(node: FaultNode): Promise<void> {
    this.#busy.add(node)
    this.#doomed.set(node, 'drain')
    try {
      await this.#askToDrain(node)
      await this.#drained(node)
    } finally {
      this.#busy.delete(node)
    }
  }

  async #askToDrain(node: FaultNode): Promise<void> {
    const answer = await node
      .ask(`/v1/nodes/${node.name}/drain`, 'POST', 10_000)
      .catch((error: unknown) => ({ status: 0, text: String(error) }))
    // By signal, as an orchestrator does it, when its operator cannot be heard.
    if (answer.status !== 200 && answer.status !== 202) node.signal('SIGTERM')
  }

  async #drained(node: FaultNode): Promise<void> {
    if (!node.running) return
    const late = await Promise.race([node.exited.then(() => false), pause(DRAIN_MS).then(() => true)])
    if (!late) return
    this.#parts.ledger.judge(
      violation('convergence', `${node.name} has not drained in ${DRAIN_MS} ms; it said:\n${node.said.slice(-10).join('\n')}`),
    )
    await this.#kill(node)
  }

  /** The one that leaves, or one that takes over from it, dies while actors are on their way, as the leaving one's own figures say. */
  async #killInHandoff(node: FaultNode): Promise<void> {
    const { dice, ledger } = this.#parts
    this.#busy.add(node)
    this.#doomed.set(node, 'drain')
    const taker = dice.chance(0.5) ? dice.pick(this.#free().filter((one) => one !== node)) : undefined
    try {
      const asked = this.#askToDrain(node)
      const end = performance.now() + HANDOFF_MS
      while (node.running && performance.now() < end) {
        const underWay = await node.metric('troupe_handoffs_under_way', 500).catch(() => 0)
        if (underWay === 0) continue
        const victim = taker !== undefined && taker.running ? taker : node
        if (!victim.running) break
        ledger.hits.handoffKills++
        await this.#kill(victim)
        break
      }
      await asked
      await this.#drained(node)
    } finally {
      this.#busy.delete(node)
    }
  }

  /** Starts it again, whenever it has ended, and judges how it ended. */
  async #mind(node: FaultNode): Promise<void> {
    const { ledger, dice } = this.#parts
    while (!this.#over) {
      const exit = await node.exited
      if (this.#over) return
      this.#judge(node, exit)
      this.#doomed.delete(node)
      this.#still.delete(node)
      await pause(dice.between(0, 800))
      try {
        await node.start()
      } catch (error) {
        if (this.#doomed.has(node) || this.#still.has(node)) continue
        ledger.judge(violation('crash', `${node.name} did not start again: ${String(error)}`))
        if (node.running) await this.#kill(node)
      }
    }
  }

  #judge(node: FaultNode, { code, signal }: Exit): void {
    const { ledger, log } = this.#parts
    const doom = this.#doomed.get(node)
    log(`${node.name} ended: ${signal ?? code}${doom === undefined ? '' : ` (${doom})`}`)
    if (doom !== undefined && (signal === 'SIGKILL' || (doom === 'drain' && code === 0))) return
    if (signal === 'SIGKILL' && (this.#still.get(node) ?? 0) > performance.now()) {
      ledger.hits.endedByOthers++
      return
    }
    ledger.judge(violation('crash', `${node.name} ended by itself (${signal ?? code}); it said:\n${node.said.slice(-20).join('\n')}`))
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
