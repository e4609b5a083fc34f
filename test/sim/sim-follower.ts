/**
 * Somebody who follows one topic of one actor, as a gateway does for its sessions: subscribes, resumes from (journal, offset), pulls
 * what it missed from history, drops what a superseded owner still says, and subscribes again whenever its upstream may be gone.
 */
import type { HistoryEntry, Note, TopicState, Upstream } from '../../src/actors/calls.ts'
import type { Random } from '../../src/base/random.ts'
import type { Follower } from './check.ts'
import { typeOf } from './sim-app.ts'
import type { Entry } from './sim-cluster.ts'
import type { Sim } from './sim.ts'
import type { Life, SimNode } from './sim-node.ts'

export interface Got {
  readonly offset: number
  readonly type: string
  readonly json: string
  readonly journal: string
}

export class SimFollower implements Follower {
  readonly name: string
  readonly actor: string
  readonly topic: string
  /** Of a log: what was handed on, in order, and what was reported as missing. */
  readonly got: Got[] = []
  readonly gaps: { readonly from: number; readonly to: number; readonly journal: string }[] = []
  journal: string | null = null
  epoch = 0
  /** Newest offset that was handed on (log) or that is known to be reflected (signal, view). */
  last = 0
  /** Newest value of a view. */
  value: string | undefined
  readonly #sim: Sim
  readonly #random: Random
  readonly #at: Entry = { node: null }
  #attempt = 0
  #upstream: Upstream | null = null
  #closed = false
  #ready = false
  /** The last attempt came to nothing. */
  #failed = false
  #life: Life | null = null
  /** No renewal: the notes alone must bring it to the newest state. */
  held = false

  constructor(sim: Sim, name: string, actor: string, topic: string) {
    this.#sim = sim
    this.name = name
    this.actor = actor
    this.topic = topic
    this.#random = sim.world.random(`follower/${name}`)
  }

  /** Has what the owner had when it subscribed, and gets notes. */
  get ready(): boolean {
    return this.#ready && this.#life?.alive === true
  }

  get open(): boolean {
    return !this.#closed
  }

  start(): void {
    this.again(this.#random.float() * 2000)
  }

  close(): void {
    this.#closed = true
    this.#attempt++
    this.#hangUp()
  }

  /** A gateway that is frozen notices later that its client is gone. */
  #hangUp(): void {
    const upstream = this.#upstream
    this.#upstream = null
    if (upstream !== null) this.#life?.node.deliver(this.#life, () => upstream.close())
  }

  /** Lets the upstream go and subscribes anew. */
  again(ms: number): void {
    const attempt = ++this.#attempt
    this.#ready = false
    this.#hangUp()
    this.#sim.world.after(ms, () => attempt === this.#attempt && !this.#closed && this.#subscribe(attempt))
  }

  #subscribe(attempt: number): void {
    const sim = this.#sim
    const node = sim.route(this.actor, this.#random, this.#failed ? 2 : 1, this.#at)
    this.#failed = true
    this.#watch(attempt, node)
    const reached = sim.reach(node, (life) => {
      if (attempt !== this.#attempt) return
      const early: Note[] = []
      let state: TopicState | null = null
      this.#ready = false
      this.#life = life
      const upstream = life.calls.subscribe(
        { actor: this.actor, topic: this.topic },
        {
          note: (note) => {
            if (!life.alive || attempt !== this.#attempt) return
            sim.world.note('note', this.name, this.actor, this.topic, note.offset)
            if (sim.cluster === null) for (const noted of sim.hooks.noted) noted(this, note, early, life)
            for (const told of sim.hooks.told) told(this, note, life)
            if (this.#ready) this.#note(note)
            else early.push(note)
          },
          ended: () => life.alive && attempt === this.#attempt && this.again(10 + 200 * this.#random.float()),
        },
        (outcome) => {
          if (!life.alive || attempt !== this.#attempt) return
          sim.world.note('subscribed', this.name, this.actor, this.topic, outcome.ok ? outcome.offset : outcome.code)
          if (!outcome.ok) return this.again(50 + 500 * this.#random.float())
          state = outcome
          if (sim.cluster === null) for (const subscribed of sim.hooks.subscribed) subscribed(this, state, life)
          for (const told of sim.hooks.told) told(this, state, life)
          this.#resume(state, life, attempt, () => {
            this.#ready = true
            this.#failed = false
            for (const note of early.splice(0)) this.#note(note)
          })
        },
      )
      sim.world.settled()
      if (attempt === this.#attempt) this.#upstream = upstream
      else upstream.close()
    })
    if (!reached) this.again(100 + 300 * this.#random.float())
  }

  /** Leases are renewed (D8), by the router in a cluster; and a node that says nothing is given up. */
  #watch(attempt: number, node: SimNode): void {
    const { cluster, world } = this.#sim
    world.after(3000 + 4000 * this.#random.float(), () => {
      if (attempt !== this.#attempt || this.#closed) return
      const served = this.ready && (this.held || (cluster !== null && !node.frozen))
      if (!served) this.again(0)
      else if (cluster !== null) this.#watch(attempt, node)
    })
  }

  /** From what the follower has to what the owner has. */
  #resume(state: TopicState, life: Life, attempt: number, ready: () => void): void {
    if (this.journal !== null && state.journal !== this.journal && this.last === 0) this.epoch = 0
    else if (this.journal !== null && state.journal !== this.journal) {
      // Another journal (J9): what was seen is not in it. Reported, and taken from its newest.
      this.gaps.push({ from: 1, to: state.offset, journal: state.journal })
      this.last = state.offset
      this.epoch = 0
    } else if (!typeOf(this.actor).durable && state.epoch >= this.epoch && state.offset < this.last) {
      // Write-behind took back what it had told early; the next claim will start another journal.
      this.gaps.push({ from: 1, to: state.offset, journal: state.journal })
      this.last = state.offset
    } else if (state.epoch < this.epoch || (state.epoch === this.epoch && state.offset < this.last)) {
      // A superseded owner.
      return this.again(200 + 500 * this.#random.float())
    }
    this.journal = state.journal
    this.epoch = state.epoch
    if (state.kind === 'log') return this.#pull(state, life, attempt, ready)
    this.last = Math.max(this.last, state.offset)
    if (state.kind === 'view') this.value = state.json
    ready()
  }

  #pull(state: TopicState, life: Life, attempt: number, ready: () => void): void {
    if (this.last >= state.offset) return ready()
    const from = this.last + 1
    life.calls.history({ actor: this.actor, from, limit: 7, types: state.types ?? null }, (page) => {
      if (!life.alive || attempt !== this.#attempt) return
      if (!page.ok || page.journal !== this.journal) return this.again(100 + 300 * this.#random.float())
      this.#sim.world.note('pulled', this.name, from, page.next, page.oldest, page.entries.length)
      if (page.oldest > from) this.gaps.push({ from, to: page.oldest - 1, journal: page.journal })
      for (const entry of page.entries) {
        // Beyond the subscription's offset the notes tell.
        if (entry.offset > this.last && entry.offset <= state.offset) this.#got(entry, page.journal)
      }
      const reached = Math.min(page.next - 1, state.offset)
      if (reached < from) {
        // Write-behind tells of what is not durable yet; history has it once it is. Between nodes another owner may answer, from an older memory (D11).
        if (!typeOf(this.actor).durable || this.#sim.cluster !== null) return this.again(500)
        this.#sim.fail('history-pages', `history of ${this.actor} from ${from} came no further: next ${page.next}, newest ${state.offset}`)
        return
      }
      this.last = Math.max(this.last, reached)
      this.#pull(state, life, attempt, ready)
    })
    this.#sim.world.settled()
  }

  #note(note: Note): void {
    if (note.journal !== this.journal || note.epoch < this.epoch) return
    this.epoch = note.epoch
    if (note.type !== undefined) {
      if (note.offset > this.last)
        this.#got({ offset: note.offset, type: note.type, at: note.at ?? 0, json: note.json ?? 'null' }, note.journal)
    } else if (note.offset >= this.last) this.value = note.json
    this.last = Math.max(this.last, note.offset)
  }

  #got({ offset, type, json }: HistoryEntry, journal: string): void {
    this.got.push({ offset, type, json, journal })
    this.last = offset
  }
}
