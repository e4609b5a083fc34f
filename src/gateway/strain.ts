/**
 * Whether a connection asks for more than its share again and again (DESIGN D9, TARGETS F7): requests of it are refused because a queue
 * is full, or it sends beyond its window and is not read. Then it is told to be slower: `hint slower`, at most once in `EVERY_MS`. Pure.
 */
const EVERY_MS = 5_000
const TIMES = 8
const WAIT_MS_MIN = 500
const WAIT_MS_MAX = 5_000

export class Strain {
  #sinceMs = -Infinity
  #times = 0
  #told = false
  #waitMs = 0

  /** Once more, with the wait that the refusal asks for. Tells the wait to ask the client for, or null: not now. */
  again(nowMs: number, retryAfterMs: number): number | null {
    if (nowMs - this.#sinceMs >= EVERY_MS) {
      this.#sinceMs = nowMs
      this.#times = 0
      this.#told = false
      this.#waitMs = WAIT_MS_MIN
    }
    this.#times++
    this.#waitMs = Math.min(WAIT_MS_MAX, Math.max(this.#waitMs, retryAfterMs))
    if (this.#told || this.#times < TIMES) return null
    this.#told = true
    // The next window begins with the hint.
    this.#sinceMs = nowMs
    return this.#waitMs
  }
}
