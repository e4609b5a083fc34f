/**
 * Unanswered requests of a whole fleet: their numbers, times and, per socket, the sequence and base of DESIGN D1 and D3.
 * A number is a slot that is free again once answered, so all state is in flat arrays.
 */
export const OUTSTANDING_MAX = 65_536

export class Requests {
  outstanding = 0
  readonly #sockets: Int32Array = new Int32Array(OUTSTANDING_MAX)
  readonly #sequences: Int32Array = new Int32Array(OUTSTANDING_MAX)
  readonly #from: Float64Array = new Float64Array(OUTSTANDING_MAX)
  readonly #free: Int32Array = Int32Array.from({ length: OUTSTANDING_MAX }, (_, i) => OUTSTANDING_MAX - i)
  readonly #last: Int32Array
  readonly #base: Int32Array
  /** Per socket, answered sequences above its base: only when answers come out of order. */
  readonly #early: Map<number, Set<number>> = new Map()

  constructor(sockets: number) {
    this.#last = new Int32Array(sockets)
    this.#base = new Int32Array(sockets).fill(1)
  }

  /** A number for a new request, or 0 when too many are unanswered. `from` is where its latency counts from. */
  take(socket: number, from: number): number {
    if (this.outstanding === OUTSTANDING_MAX) return 0
    const request = this.#free[OUTSTANDING_MAX - 1 - this.outstanding++] as number
    this.#sockets[request - 1] = socket
    const sequence = (this.#last[socket] as number) + 1
    this.#last[socket] = sequence
    this.#sequences[request - 1] = sequence
    this.#from[request - 1] = from
    return request
  }

  sequence(request: number): number {
    return this.#sequences[request - 1] as number
  }

  base(socket: number): number {
    return this.#base[socket] as number
  }

  /** Frees the number; returns where its latency counts from. Throws when `socket` has no such request: a wrong answer. */
  answered(request: number, socket: number): number {
    const slot = request - 1
    if (this.#sequences[slot] === 0 || this.#sockets[slot] !== socket)
      throw new Error(`socket ${socket} was answered ${request}, which it did not ask`)
    const sequence = this.#sequences[slot] as number
    this.#sequences[slot] = 0
    this.#free[OUTSTANDING_MAX - this.outstanding--] = request
    this.#advance(socket, sequence)
    return this.#from[slot] as number
  }

  #advance(socket: number, sequence: number): void {
    const base = this.#base[socket] as number
    const early = this.#early.get(socket)
    if (sequence !== base) {
      if (early === undefined) this.#early.set(socket, new Set([sequence]))
      else early.add(sequence)
      return
    }
    let next = base + 1
    if (early !== undefined) {
      while (early.delete(next)) next++
      if (early.size === 0) this.#early.delete(socket)
    }
    this.#base[socket] = next
  }
}
