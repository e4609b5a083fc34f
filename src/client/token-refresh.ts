/** Keeps the token of one open link fresh: before it expires, when the server hints, and when an answer said `expired`. */
import type { Credentials } from './credentials.ts'
import type { ClientClock } from './platform.ts'

export interface TokenRefreshParts {
  readonly credentials: Credentials
  readonly clock: ClientClock
  /** Hands the server a fresh token; resolves with its expiry. */
  readonly hand: (token: string) => Promise<number | undefined>
  readonly error: (error: unknown) => void
}

const AHEAD_MS_MAX = 60_000
const AGAIN_MS = 5_000

export class TokenRefresh {
  readonly #parts: TokenRefreshParts
  #timer: { cancel(): void } | undefined
  #running = false
  #over = false

  constructor(parts: TokenRefreshParts) {
    this.#parts = parts
  }

  /** The token expires at this wall time: a quarter of what is left before it, at most a minute. */
  expires(expiresAt: number | undefined): void {
    if (expiresAt === undefined) return
    const leftMs = expiresAt - this.#parts.clock.now()
    // Nothing left by this clock means that this clock is wrong: then the server's hint must do.
    if (leftMs > 0) this.after(leftMs - Math.min(AHEAD_MS_MAX, leftMs / 4))
  }

  /** Replaces what was planned. Nothing happens while a refresh is on its way, or without a function that gets tokens. */
  after(ms: number): void {
    if (this.#over || this.#running || !this.#parts.credentials.renewable) return
    this.#timer?.cancel()
    this.#timer = this.#parts.clock.after(ms, () => void this.#refresh())
  }

  /** Idempotent. */
  stop(): void {
    this.#over = true
    this.#timer?.cancel()
  }

  async #refresh(): Promise<void> {
    const { credentials, hand, error } = this.#parts
    this.#running = true
    try {
      const token = await credentials.token()
      const expiresAt = this.#over || token === undefined ? undefined : await hand(token)
      this.#running = false
      this.expires(expiresAt)
    } catch (thrown) {
      this.#running = false
      if (this.#over) return
      error(thrown)
      this.after(AGAIN_MS)
    }
  }
}
