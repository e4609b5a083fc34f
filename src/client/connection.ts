/**
 * The life of a client's connection: it keeps one live link as long as it is not closed, and says when there is one.
 *
 *              token, ticket           socket, connect            welcome
 *   waiting ──▶ fetching ──────────────▶ opening ──────────────────▶ open ──┐
 *      ▲           │ no token               │ ended                   │     │ hint drain: a second link is opened with the
 *      └───────────┴────────────────────────┴──────────── lost ◀──────┘ ◀───┘ ticket and takes over at its welcome
 *                                                          │
 *                                  a code that says stop ──┴──▶ closed
 *
 * 1. Each phase owns its timers and links; `#enter` is the only way from one to the next and releases them.
 * 2. `up` and `down` alternate, and no frame of a link comes before its `up` or after its `down`.
 * 3. Of several addresses each client begins with one at random, and goes on to the next when one fails, ends or drains, in an order of its own:
 *    the clients of a gateway that died spread over all others.
 * 4. It waits at random below 0.5 s before the first new attempt, the bound doubling to 20 s with each round of all addresses (that one
 *    node is away says nothing of the next), and begins at 0.5 s again only after a link that lived 10 s. A server's `retryAfterMs`, the
 *    smallest of a round of all addresses, is added to that, and so are hints.
 * 5. Each state is told once, but `connecting` again with each attempt that failed: who has a wrong address is told why. (Later ones are in the
 *    detail of `suspended`: who counts how often a connection was lost counts `resuming`.)
 */
import type { OkReply, ServerFrame, WelcomeFrame } from '../protocol/frames.ts'
import { CLOSE, reconnects } from '../protocol/close-codes.ts'
import { backoffMs } from '../base/backoff.ts'
import type { Codec } from './codec.ts'
import type { Credentials } from './credentials.ts'
import { Link, type LinkEnd } from './link.ts'
import type { ClientClock, ClientRandom, Transport, Wakeups } from './platform.ts'
import { TokenRefresh } from './token-refresh.ts'

/**
 * `connecting`: not yet connected. `open`. `resuming`: connected before, will be again. `suspended`: no connection for two minutes,
 * still trying. `closed`: for good, by `close()` or by a server that said so.
 */
export type ConnectionState = 'connecting' | 'open' | 'resuming' | 'suspended' | 'closed'

/** Of the link that was lost, or of the last attempt that failed. */
export interface StateDetail {
  /** Close code; absent: there was no token to try with. */
  readonly code?: number
  readonly reason?: string
}

export interface ConnectionParts {
  /** Those of one cluster, any of which will do. Not empty. */
  readonly urls: readonly string[]
  readonly credentials: Credentials
  readonly transport: Transport
  readonly codec: Codec
  readonly clock: ClientClock
  readonly random: ClientRandom
  readonly wakeups: Wakeups
}

export interface ConnectionEvents {
  state(state: ConnectionState, detail: StateDetail): void
  /** `resumed`: session and numbers go on (D10). */
  up(link: Link, welcome: WelcomeFrame, resumed: boolean): void
  down(): void
  /** The server asks to be asked nothing for so long. */
  slower(ms: number): void
  frame(frame: ServerFrame): void
  /** Hands the server a fresh token. */
  refresh(token: string): Promise<OkReply>
  error(error: unknown): void
  closed(code: number, reason: string): void
}

interface Cancellable {
  cancel(): void
}
interface Open {
  readonly phase: 'open'
  readonly link: Link
  readonly stable: Cancellable
  readonly refresh: TokenRefresh
  /** The link that is to take over. */
  next?: Link | undefined
  move?: Cancellable
}
type Life =
  | { readonly phase: 'waiting'; readonly timer: Cancellable }
  | { readonly phase: 'fetching' }
  | { readonly phase: 'opening'; readonly link: Link }
  | Open
  | { readonly phase: 'closed' }

const FIRST_MS = 500
const MAX_MS = 20_000
const STABLE_MS = 10_000
const SUSPENDED_MS = 120_000
/** So late a server may still come to a `connect` whose answer was not waited for any more. */
const UNHEARD_MS = 60_000

export class Connection {
  readonly #parts: ConnectionParts
  readonly #on: ConnectionEvents
  readonly #asleep: () => void
  #life: Life = { phase: 'fetching' }
  #state: ConnectionState = 'connecting'
  #trouble: StateDetail = {}
  #session: string | undefined
  #attempt = 0
  /** All addresses, in the order in which this client tries them; which is next, modulo their number. */
  readonly #urls: readonly string[]
  #turn = 0
  #suspend: Cancellable
  /** For how long each address asked to wait, in this round of all. */
  #later: number[] = []
  /** When a link of ours ended that had asked and was told nothing. */
  #unheardAt = -UNHEARD_MS

  constructor(parts: ConnectionParts, on: ConnectionEvents) {
    this.#parts = parts
    this.#on = on
    this.#urls = shuffled(parts.urls, parts.random)
    this.#suspend = this.#suspendLater()
    this.#asleep = parts.wakeups(() => {
      if (this.#life.phase === 'waiting') this.#begin()
    })
    this.#begin()
  }

  get #url(): string {
    return this.#urls[this.#turn % this.#urls.length] as string
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** Why there is no connection, as far as it is known. */
  get trouble(): StateDetail {
    return this.#trouble
  }

  close(code: number, reason: string): void {
    if (this.#life.phase === 'closed') return
    const wasOpen = this.#life.phase === 'open'
    this.#enter({ phase: 'closed' })
    this.#suspend.cancel()
    this.#asleep()
    if (wasOpen) this.#on.down()
    this.#show('closed', { code, reason })
    this.#on.closed(code, reason)
  }

  /** The server found the token expired: gets a fresh one, if that is not already on its way. */
  refresh(): void {
    if (this.#life.phase === 'open') this.#life.refresh.after(0)
  }

  /** Gives the session up and begins another: its numbers cannot go on. */
  restart(): void {
    this.#parts.credentials.forget()
    this.#session = undefined
    if (this.#life.phase !== 'open') return
    // It was opened with the old session's ticket.
    this.#life.next?.close(1000, '')
    this.#life.next = undefined
    this.#lose({ code: 1000, reason: 'beginning a new session', bye: undefined, welcomed: true, asked: true }, 0)
  }

  // ── From waiting to open ───────────────────────────────────────────────────────────────────────────────────────────

  #begin(): void {
    const life: Life = { phase: 'fetching' }
    this.#enter(life)
    this.#parts.credentials.frame().then(
      (connect) => {
        if (this.#life !== life) return
        this.#enter({ phase: 'opening', link: this.#link(this.#url, connect) })
      },
      (error: unknown) => {
        if (this.#life !== life) return
        this.#on.error(error)
        if (this.#life !== life) return
        this.#wait(0)
        this.#failed({ reason: String(error) })
      },
    )
  }

  #link(url: string, connect: Awaited<ReturnType<Credentials['frame']>>): Link {
    const { transport, codec, clock } = this.#parts
    const link: Link = new Link(
      { url, connect, transport, codec, clock },
      {
        welcome: (frame) => this.#welcomed(link, frame),
        frame: (frame) => {
          if (this.#life.phase === 'open' && this.#life.link === link) this.#frame(frame)
        },
        ended: (end) => this.#ended(link, url, end),
      },
    )
    return link
  }

  #welcomed(link: Link, welcome: WelcomeFrame): void {
    const life = this.#life
    if (life.phase === 'open') {
      if (life.next !== link) return link.close(1000, 'not needed')
      life.next = undefined
    } else if (life.phase !== 'opening' || life.link !== link) return link.close(1000, 'not needed')
    const moved = life.phase === 'open'
    const resumed = welcome.resumed && welcome.session === this.#session
    if (welcome.resumed && !resumed) {
      // A session that was given up meanwhile: its numbers are used, and nobody here knows which.
      this.#parts.credentials.forget()
      link.close(1000, 'not this session')
      if (!moved) this.#wait(0)
      return
    }
    this.#session = welcome.session
    this.#parts.credentials.welcomed(welcome.ticket)
    const stable = this.#parts.clock.after(STABLE_MS, () => {
      this.#attempt = 0
    })
    const { credentials, clock } = this.#parts
    const refresh = new TokenRefresh({
      credentials,
      clock,
      hand: async (token) => {
        const { ticket, expiresAt } = await this.#on.refresh(token)
        // The ticket of the welcome ends with the old token.
        if (ticket !== undefined && this.#life.phase === 'open' && this.#life.link === link) credentials.welcomed(ticket)
        return expiresAt
      },
      error: (error) => this.#on.error(error),
    })
    const open: Life = { phase: 'open', link, stable, refresh }
    if (moved) this.#enter(open)
    else this.#life = open
    this.#suspend.cancel()
    refresh.expires(welcome.expiresAt)
    if (moved) this.#on.down()
    this.#on.up(link, welcome, resumed)
    this.#trouble = {}
    if (this.#life === open) this.#show('open', {})
  }

  // ── From open to waiting or closed ─────────────────────────────────────────────────────────────────────────────────

  #ended(link: Link, url: string, end: LinkEnd): void {
    const life = this.#life
    if (end.welcomed) this.#later = []
    if (end.asked && !end.welcomed && end.bye === undefined) this.#unheardAt = this.#parts.clock.mono()
    if (life.phase === 'open' && life.next === link) {
      life.next = undefined
      // Once: the next refusal is not of a ticket alone.
      if (this.#parts.credentials.ended(end)) this.#move(life, url)
      else if (end.bye === undefined || end.code === CLOSE.neverConnected || (end.bye.reconnect && end.code !== CLOSE.tokenExpired))
        this.#moveLater(life, end.bye?.retryAfterMs ?? 0)
      return
    }
    if ((life.phase !== 'open' && life.phase !== 'opening') || life.link !== link) return
    const withoutTicket = this.#parts.credentials.ended(end)
    // Codes that say stop, and do not mean this client: a connection of its own that takes over may be known to the server as such before its
    // welcome is here, or after it was given up; and it does ask at once: 3502 is a server, or a network, that stood still meanwhile.
    const unheard = this.#parts.clock.mono() - this.#unheardAt < UNHEARD_MS
    const byOwn = end.code === CLOSE.replaced && (unheard || (life.phase === 'open' && life.next !== undefined))
    const stop = !byOwn && end.code !== CLOSE.neverConnected && (end.bye === undefined ? !reconnects(end.code) : !end.bye.reconnect)
    if (withoutTicket) return this.#lose(end, undefined)
    if (stop) return this.close(end.code, end.reason)
    this.#turn++
    this.#lose(end, this.#laterMs(end.bye?.retryAfterMs ?? 0))
  }

  /** 4. Another address is asked at once; when all of them have said later, the soonest counts. */
  #laterMs(retryAfterMs: number): number {
    this.#later.push(retryAfterMs)
    if (this.#later.length < this.#urls.length) return 0
    const soonest = Math.min(...this.#later)
    this.#later = []
    return soonest
  }

  /** `afterMs` undefined: try again at once. */
  #lose(end: LinkEnd, afterMs: number | undefined): void {
    const life = this.#life
    const wasOpen = life.phase === 'open'
    const next = life.phase === 'open' ? life.next : undefined
    if (life.phase === 'open') life.next = undefined
    if (next !== undefined) this.#enter({ phase: 'opening', link: next })
    else if (afterMs === undefined) this.#begin()
    else this.#wait(afterMs)
    if (wasOpen) {
      this.#suspend = this.#suspendLater()
      this.#on.down()
    }
    const { code, reason } = end
    if (wasOpen) this.#show('resuming', (this.#trouble = { code, reason }))
    else if (afterMs !== undefined) this.#failed({ code, reason })
  }

  #wait(afterMs: number): void {
    const { clock, random } = this.#parts
    const ms = afterMs + backoffMs(this.#round(this.#attempt++), FIRST_MS, MAX_MS, random)
    this.#enter({ phase: 'waiting', timer: clock.after(ms, () => this.#begin()) })
  }

  #round(attempt: number): number {
    return Math.floor(attempt / this.#urls.length)
  }

  #suspendLater(): Cancellable {
    return this.#parts.clock.after(SUSPENDED_MS, () => this.#show('suspended', this.#trouble))
  }

  /** 5. */
  #failed(trouble: StateDetail): void {
    this.#trouble = trouble
    if (this.#state === 'connecting') this.#on.state('connecting', trouble)
  }

  // ── While open ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #frame(frame: ServerFrame): void {
    const life = this.#life
    if (frame.t !== 'hint') return this.#on.frame(frame)
    if (life.phase !== 'open') return
    const ms = frame.inMs + this.#parts.random.float() * frame.spreadMs
    if (frame.kind === 'refresh') life.refresh.after(ms)
    if (frame.kind === 'slower') this.#on.slower(ms)
    if (frame.kind === 'drain' && life.move === undefined) this.#moveLater(life, ms, frame.url)
  }

  #moveLater(life: Open, afterMs: number, hinted?: string): void {
    this.#turn++
    // A server that drains everywhere, or that is reached again behind one address, is not asked without end.
    const attempt = this.#attempt++
    const again = attempt === 0 ? 0 : backoffMs(this.#round(attempt), FIRST_MS, MAX_MS, this.#parts.random)
    life.move = this.#parts.clock.after(afterMs + again, () => this.#move(life, moveUrl(this.#url, hinted)))
  }

  /** Make before break: the old link serves until the new one is welcomed. */
  #move(life: Open, url: string): void {
    this.#parts.credentials.frame().then(
      (connect) => {
        if (this.#life === life) life.next = this.#link(url, connect)
      },
      (error: unknown) => this.#on.error(error),
    )
  }

  // ── The one way out of a phase ─────────────────────────────────────────────────────────────────────────────────────

  #enter(life: Life): void {
    const left = this.#life
    this.#life = life
    if (left.phase === 'waiting') left.timer.cancel()
    if (left.phase === 'opening') left.link.close(1000, '')
    if (left.phase === 'open') {
      left.stable.cancel()
      left.refresh.stop()
      left.move?.cancel()
      left.next?.close(1000, '')
      left.link.close(1000, '')
    }
  }

  #show(state: ConnectionState, detail: StateDetail): void {
    if (this.#state === state || this.#state === 'closed') return
    this.#state = state
    this.#on.state(state, detail)
  }
}

/** 3. The first drawn from all, the others behind it in any order. A source that gives 1 leads nowhere else. */
function shuffled(urls: readonly string[], random: ClientRandom): readonly string[] {
  const below = (count: number): number => Math.min(count - 1, Math.floor(random.float() * count))
  const first = urls.length > 1 ? below(urls.length) : 0
  const order = [...urls.slice(first), ...urls.slice(0, first)]
  for (let i = order.length - 1; i > 1; i--) {
    const other = i - below(i)
    const url = order[i] as string
    order[i] = order[other] as string
    order[other] = url
  }
  return order
}

/** Where a draining server sends its clients; never from an encrypted address to a plain one. */
function moveUrl(url: string, hinted: string | undefined): string {
  if (hinted === undefined || !/^wss?:/.test(hinted) || (url.startsWith('wss:') && !hinted.startsWith('wss:'))) return url
  return hinted
}
