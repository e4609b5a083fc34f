/** Whether a socket that has bytes waiting takes any. Only one that takes nothing for a stated time is closed (DESIGN D9). */
export class Stall {
  #takenBytes: number
  #since: number

  constructor(takenBytes: number, tick: number) {
    this.#takenBytes = takenBytes
    this.#since = tick
  }

  over(takenBytes: number, tick: number, ticksMax: number): boolean {
    if (takenBytes !== this.#takenBytes) {
      this.#takenBytes = takenBytes
      this.#since = tick
      return false
    }
    return tick - this.#since >= ticksMax
  }
}
