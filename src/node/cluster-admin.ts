/**
 * What operators see and steer of a whole cluster, from any of its nodes. The view of the node that is asked says who there is; each node
 * says itself what it holds; what is to be done to a node is done by that node. All of it over questions between nodes (routing/questions.ts).
 *
 *  A1. Who does not answer in FIGURES_MS is shown without figures: a sick node must not hide the well ones.
 *  A2. One figures question to a node is under way at a time, whoever wants to know: many who watch cost no more than one.
 *  A3. What another node says is read as a stranger's: what has not the expected form is a failure.
 *  A4. An actor is inspected at its owner, after a pull if an earlier owner may have it (H1): looking at it must not fence who holds it.
 */
import type { Inspection } from '../actors/engine.ts'
import type { DrainPlan, Inspected, Located, Members, Phase, ShownNode } from '../admin/parts.ts'
import type { Figure } from '../admin/figures.ts'
import { fail, type Failure } from '../errors.ts'
import { inService, type Member } from '../cluster/member.ts'
import type { Everywhere, Kick } from '../gateway/kick.ts'
import type { Told } from '../routing/questions.ts'
import { clusterFigures, MemberCounts } from './cluster-metrics.ts'
import type { ClusterNode } from './cluster-node.ts'
import type { NodeFigures, OwnFigures } from './own-figures.ts'

export interface ClusterAdminParts {
  readonly member: ClusterNode
  readonly figures: OwnFigures
  /** Begins to drain this node; returns at once. */
  readonly drain: () => void
  /** Closes sockets of this node, and says how many. */
  readonly kick: (kick: Kick) => number
  /** Open on this node, of those whose own actor this is. */
  readonly sockets: (actor: string) => number
}

const FIGURES_MS = 1000
const FIGURES_AT_A_TIME = 64
const ANSWER_MS = 10_000
const PHASES: readonly string[] = ['starting', 'serving', 'draining', 'stopped'] satisfies readonly Phase[]
const SHOWN_PHASES: Readonly<Record<Member['phase'], Phase>> = { joining: 'starting', ready: 'serving', draining: 'draining' }

export class ClusterAdmin implements Members, Everywhere {
  readonly #parts: ClusterAdminParts
  readonly #counts: MemberCounts
  readonly #asking = new Map<string, Promise<NodeFigures | null>>()

  constructor(parts: ClusterAdminParts) {
    this.#parts = parts
    this.#counts = new MemberCounts(parts.member.view())
    parts.member.gossip.onView((view) => this.#counts.see(view))
  }

  // ── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async nodes(): Promise<readonly ShownNode[]> {
    const { members } = this.#parts.member.view()
    const shown = members.map((member) => this.#shown(member, null))
    let next = 0
    const some = async (): Promise<void> => {
      for (let i = next++; i < members.length; i = next++) {
        const member = members[i] as Member
        shown[i] = this.#shown(member, await this.#figuresOf(member))
      }
    }
    await Promise.all(Array.from({ length: Math.min(FIGURES_AT_A_TIME, members.length) }, some))
    return shown
  }

  #shown(member: Member, figures: NodeFigures | null): ShownNode {
    const { id, generation, liveness, address, meta } = member
    const gone = liveness === 'dead' || liveness === 'left'
    return {
      id,
      generation,
      state: liveness,
      ...(liveness === 'dead' && this.#parts.member.gossip.presumed(id) && { presumed: true }),
      phase: figures?.phase ?? (gone ? 'stopped' : SHOWN_PHASES[member.phase]),
      address,
      client: meta.client ?? null,
      admin: meta.admin ?? null,
      roles: meta.roles,
      types: Object.keys(meta.types),
      version: meta.version,
      labels: meta.labels,
      weight: meta.weight,
      actors: figures?.actors ?? null,
      sockets: figures?.sockets ?? null,
      eventsPerSecond: figures?.eventsPerSecond ?? null,
    }
  }

  #figuresOf({ id }: Member): Promise<NodeFigures | null> {
    if (id === this.#selfId) return Promise.resolve(this.#parts.figures.now())
    let asking = this.#asking.get(id) // A2
    if (asking === undefined) {
      asking = this.#ask(id, 'figures', {}, FIGURES_MS, figuresIn)
        .then((answer) => ('figures' in answer ? answer.figures : null))
        .finally(() => this.#asking.delete(id))
      this.#asking.set(id, asking)
    }
    return asking
  }

  locate(actor: string): Located | Failure {
    const { placement } = this.#parts.member
    const type = actor.slice(0, actor.indexOf('/'))
    const owner = placement.ownerOf(actor)
    if (owner !== null) return { ok: true, owner: owner.id, viewHash: placement.hash }
    const offered = new Set(this.#parts.member.view().members.flatMap(({ meta }) => Object.keys(meta.types)))
    return offered.has(type)
      ? fail('unavailable', `no node that offers '${type}' is in service now: 'troupe nodes' shows who is there`)
      : fail('not_found', `there is no actor type '${type}'; this cluster has ${[...offered].join(', ')}`)
  }

  async inspect(actor: string): Promise<Inspected | Failure> {
    const located = this.locate(actor)
    if (!located.ok) return located
    const answer = await this.#ask(located.owner, 'inspect', { actor }, ANSWER_MS, inspectionIn)
    if (!('inspection' in answer)) return answer
    return { ...answer.inspection, ok: true, node: located.owner }
  }

  async plan(node: string): Promise<DrainPlan | Failure> {
    return this.#gone(node) ?? this.#ask(node, 'plan', {}, ANSWER_MS, planIn)
  }

  // ── Doing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async drain(node: string): Promise<{ readonly ok: true; readonly phase: Phase } | Failure> {
    const has = this.#hasDrained(node) ?? this.#gone(node)
    if (has !== null) return has
    const begun = await this.#ask(node, 'drain', {}, ANSWER_MS, phaseIn)
    // One that holds nothing is gone so fast that its leave overtakes its answer.
    return begun.ok ? begun : (this.#hasDrained(node) ?? begun)
  }

  /** Whoever asks for what has happened already has what they want. */
  #hasDrained(node: string): { readonly ok: true; readonly phase: Phase } | null {
    return this.#parts.member.gossip.member(node)?.liveness === 'left' ? { ok: true, phase: 'stopped' } : null
  }

  remove(node: string): { readonly ok: true } | Failure {
    switch (this.#parts.member.gossip.remove(node)) {
      case 'removed':
        return { ok: true }
      case 'alive':
        return fail('refused', `node '${node}' is alive: drain it instead ('troupe drain ${node}')`, { reason: 'alive' })
      case 'unknown':
        return this.#stranger(node)
    }
  }

  /** Sockets everywhere. What a node that cannot be asked had is not in it. */
  async sockets(actor: string): Promise<number> {
    return this.#everywhere('sockets', { actor }, this.#parts.sockets(actor))
  }

  async kick(kick: Kick): Promise<number> {
    return this.#everywhere('kick', kick, this.#parts.kick(kick))
  }

  async #everywhere(what: 'sockets' | 'kick', question: object, here: number): Promise<number> {
    const { members } = this.#parts.member.view()
    const others = members.filter(({ id, liveness, meta }) => id !== this.#selfId && liveness === 'alive' && meta.roles.includes('gateway'))
    const answers = await Promise.all(others.map(({ id }) => this.#ask(id, what, question, ANSWER_MS, countIn)))
    return answers.reduce((sum, answer) => sum + ('count' in answer ? answer.count : 0), here)
  }

  metrics(): readonly Figure[] {
    const { gossip, router } = this.#parts.member
    return clusterFigures(gossip, router.stats(), this.#counts)
  }

  get #selfId(): string {
    return this.#parts.member.view().self.id
  }

  /** What cannot be asked of it any more. */
  #gone(node: string): Failure | null {
    const found = this.#parts.member.gossip.member(node)
    if (found === undefined) return this.#stranger(node)
    if (found.liveness === 'left') return fail('refused', `node '${node}' has left already`, { reason: 'left' })
    if (found.liveness === 'dead')
      return fail('refused', `node '${node}' is dead: its actors are others' already; 'troupe remove ${node}' forgets it`, {
        reason: 'dead',
      })
    return null
  }

  #stranger(node: string): Failure {
    const known = this.#parts.member.view().members.map(({ id }) => id)
    const shown = known.length > 12 ? `${known.slice(0, 12).join(', ')}, …` : known.join(', ')
    return fail('not_found', `there is no node '${node}'; this cluster has ${shown}`)
  }

  async #ask<Answer>(
    node: string,
    what: string,
    question: object,
    timeoutMs: number,
    read: (value: Fields) => Answer | null,
  ): Promise<Answer | Failure> {
    const told = await this.#parts.member.router.ask(node, what, JSON.stringify(question), timeoutMs)
    if (!told.ok) return told
    const value = fieldsOf(told.json)
    return (value && read(value)) ?? fail('internal', `what node '${node}' said to '${what}' cannot be read: it may run another version`) // A3
  }

  // ── Answering ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** For the router: what other nodes, and this one, ask. */
  asked(what: string, json: string): Promise<Told | Failure> | null {
    const question = fieldsOf(json) ?? {}
    switch (what) {
      case 'figures':
        return answer(this.#parts.figures.now())
      case 'inspect':
        return this.#inspectHere(String(question['actor']))
      case 'drain':
        this.#parts.drain()
        return answer({ phase: this.#parts.figures.now().phase })
      case 'plan':
        return this.#planHere()
      case 'sockets':
        return answer({ count: this.#parts.sockets(String(question['actor'])) })
      case 'kick': {
        const { who, device, reason } = question
        if (typeof who !== 'string') return Promise.resolve(fail('invalid', 'kick: who?'))
        const more = { ...(typeof device === 'string' && { device }), ...(typeof reason === 'string' && { reason }) }
        return answer({ count: this.#parts.kick({ who, ...more }) })
      }
      default:
        return null
    }
  }

  async #inspectHere(actor: string): Promise<Told | Failure> {
    const { member } = this.#parts
    if (!(await member.router.here(actor))) return fail('moved', `${actor} has another owner now: ask again`) // A4
    const found = await member.engine.inspect(actor)
    return found.ok ? answer(found) : found
  }

  async #planHere(): Promise<Told | Failure> {
    const { member, figures } = this.#parts
    const self = member.view().members.find(({ id }) => id === this.#selfId)
    if (self === undefined || !inService(self))
      return fail('unavailable', `node '${this.#selfId}' is not in service: it has nothing to move`)
    const { moves, unplaced } = await member.router.plan(member.placementWithout(this.#selfId))
    return answer({ node: this.#selfId, moves, unplaced, sockets: figures.now().sockets })
  }
}

function answer(value: object): Promise<Told> {
  return Promise.resolve({ ok: true, json: JSON.stringify(value) })
}

// ── What other nodes said (A3) ───────────────────────────────────────────────────────────────────────────────────────

type Fields = Readonly<Record<string, unknown>>

function fieldsOf(json: string): Fields | null {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null
  } catch {
    return null
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function isPhase(value: unknown): value is Phase {
  return typeof value === 'string' && PHASES.includes(value)
}

function figuresIn({ phase, actors, sockets, eventsPerSecond }: Fields): { readonly figures: NodeFigures } | null {
  if (!isPhase(phase) || !isCount(actors) || !isCount(sockets) || !isCount(eventsPerSecond)) return null
  return { figures: { phase, actors, sockets, eventsPerSecond } }
}

function phaseIn({ phase }: Fields): { readonly ok: true; readonly phase: Phase } | null {
  return isPhase(phase) ? { ok: true, phase } : null
}

function countIn({ count }: Fields): { readonly count: number } | null {
  return isCount(count) ? { count } : null
}

function planIn({ node, moves, unplaced, sockets }: Fields): DrainPlan | null {
  if (typeof node !== 'string' || typeof moves !== 'object' || moves === null || !isCount(unplaced) || !isCount(sockets)) return null
  const counts = Object.entries(moves as Fields).flatMap(([to, count]) => (isCount(count) ? [[to, count] as const] : []))
  return { ok: true, node, moves: Object.fromEntries(counts), unplaced, sockets }
}

function inspectionIn(value: Fields): { readonly inspection: Inspection } | null {
  const whole = typeof value['actor'] === 'string' && isCount(value['offset']) && isCount(value['n'])
  return whole && Array.isArray(value['timers']) && Array.isArray(value['effects']) ? { inspection: value as unknown as Inspection } : null
}
