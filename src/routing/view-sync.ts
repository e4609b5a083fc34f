/**
 * When views are brought together: gossip does it by itself in time; whoever meets a sign that two differ has it done now. A busy node meets
 * thousands of signs in a moment, so each peer is asked for at most once in `AGAIN_MS`.
 */
import type { Clock, Timer } from '../base/clock.ts'
import type { Links } from './links.ts'
import type { Views } from './ports.ts'
import type { Routes } from './routes.ts'

const AGAIN_MS = 100
/** Views differ for a moment at every change; those that still do after this have missed something. */
const PATIENCE_MS = 1000

export class ViewSync {
  readonly #clock: Clock
  readonly #routes: Routes
  readonly #views: Views
  readonly #askedAt = new Map<string, number>()
  #timer: Timer | null = null

  constructor(clock: Clock, routes: Routes, views: Views) {
    this.#clock = clock
    this.#routes = routes
    this.#views = views
  }

  /** A `moved` passed between this node and the peer, which has this view. */
  moved(peer: string, viewHash: string): void {
    if (viewHash === '' || viewHash === this.#routes.hash) return
    const now = this.#clock.mono()
    if (now - (this.#askedAt.get(peer) ?? -Infinity) < AGAIN_MS) return
    this.#askedAt.set(peer, now)
    this.#views.syncWith(peer)
  }

  /** A peer has shown its view. */
  shown(links: Links): void {
    this.#timer ??= this.#clock.after(PATIENCE_MS, () => {
      this.#timer = null
      this.#compare(links)
    })
  }

  #compare(links: Links): void {
    const { hash } = this.#routes
    const differing = new Set<string>()
    for (const { viewHash, member } of links.asking()) if (viewHash !== '' && viewHash !== hash) differing.add(member.id)
    for (const { viewHash, peer } of links.answering()) if (viewHash !== '' && viewHash !== hash) differing.add(peer.id)
    for (const peer of this.#askedAt.keys()) if (!differing.has(peer)) this.#askedAt.delete(peer)
    for (const peer of differing) this.#views.syncWith(peer)
    if (differing.size > 0) this.shown(links)
  }

  close(): void {
    this.#timer?.cancel()
  }
}
