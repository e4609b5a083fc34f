/** Cuts of lines between nodes that overlap: a way is open again when the last cut of it has ended, not the first. */

export interface Lines {
  cut(from: string, to: string, how: 'both' | 'one-way'): void
  /** Both ways. */
  mend(a: string, b: string): void
}

interface Cut {
  readonly from: string
  readonly to: string
  readonly how: 'both' | 'one-way'
}

export class Cuts {
  readonly #lines: Lines
  readonly #open = new Set<Cut>()

  constructor(lines: Lines) {
    this.#lines = lines
  }

  /** Gives how to end it. */
  begin(from: string, to: string, how: 'both' | 'one-way'): () => void {
    const cut: Cut = { from, to, how }
    this.#open.add(cut)
    this.#lines.cut(from, to, how)
    return () => this.#end(cut)
  }

  #end(cut: Cut): void {
    if (!this.#open.delete(cut)) return
    const { from, to } = cut
    const others = [...this.#open].filter((other) => (other.from === from && other.to === to) || (other.from === to && other.to === from))
    const still = new Set(others.flatMap(waysOf))
    if (waysOf(cut).every((way) => still.has(way))) return
    // A line is mended both ways at once; what others have cut of it is cut again in the same instant.
    this.#lines.mend(from, to)
    for (const other of others) this.#lines.cut(other.from, other.to, other.how)
  }
}

function waysOf({ from, to, how }: Cut): string[] {
  return how === 'both' ? [`${from} ${to}`, `${to} ${from}`] : [`${from} ${to}`]
}
