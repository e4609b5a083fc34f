/** The items of a run, each made from its number alone: whose it is, its id, its content. */
export const PROVIDER = 'sim'

const WORDS = 'apple bridge candle delta engine forest garden harbour island jacket kettle lantern meadow needle orchard pepper'.split(' ')

export interface SimulatedItem {
  readonly uid: string
  readonly externalId: string
  readonly title: string
  readonly body: string
  readonly keywords: readonly string[]
  readonly url: string
}

export class Items {
  readonly run: string
  readonly #users: number
  readonly #loaded: number

  constructor(run: string, users: number, loaded: number) {
    this.run = run
    this.#users = users
    this.#loaded = loaded
  }

  /** Loaded items go user by user, as an import would; live ones to anybody. */
  userOf(item: number): number {
    if (item < this.#loaded) return Math.floor((item * this.#users) / this.#loaded)
    return mix(item) % this.#users
  }

  externalId(item: number): string {
    return `${this.run}-${item}`
  }

  title(item: number): string {
    return `${word(item)} ${word(item >>> 4)} ${item}`
  }

  make(item: number, uid: string): SimulatedItem {
    const body = `${word(item)} and ${word(item >>> 4)}, ${word(item >>> 8)} with ${word(item >>> 12)}: item ${item} of run ${this.run}, as it came from outside.`
    return {
      uid,
      externalId: this.externalId(item),
      title: this.title(item),
      body,
      keywords: [word(item), word(item >>> 8)],
      url: `https://example.org/${this.run}/${item}`,
    }
  }

  /** The number in the id of a provided note of this run, or null. */
  itemOf(noteId: string): number | null {
    return numberAfter(noteId, `${PROVIDER}:${this.run}-`)
  }

  /** Ids of what the people with sockets add themselves. */
  addedId(added: number): string {
    return `${this.run}-added-${added}`
  }

  addedOf(noteId: string): number | null {
    return numberAfter(noteId, `${this.run}-added-`)
  }

  /** Ids of what is written to see whether an actor answers (faults.ts). */
  probeId(probe: number): string {
    return `${this.run}-probe-${probe}`
  }

  probeOf(noteId: string): number | null {
    return numberAfter(noteId, `${this.run}-probe-`)
  }
}

function numberAfter(text: string, prefix: string): number | null {
  if (!text.startsWith(prefix)) return null
  const value = Number(text.slice(prefix.length))
  return Number.isInteger(value) ? value : null
}

const word = (item: number): string => WORDS[mix(item) & 15] as string

function mix(value: number): number {
  let h = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
