/**
 * Lifeguard's local health: a count of reasons to believe that the trouble is here, not there. Every period and probe timeout of this node is
 * stretched by 1 + score, so that a slow node accuses slowly.
 */
const HEALTH_MAX = 8

export class Health {
  #score = 0

  get score(): number {
    return this.#score
  }

  get stretch(): number {
    return 1 + this.#score
  }

  worse(by = 1): void {
    this.#score = Math.min(HEALTH_MAX, this.#score + by)
  }

  better(): void {
    this.#score = Math.max(0, this.#score - 1)
  }
}
