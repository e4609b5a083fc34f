/** A node that could not start, in one line for a person: what was tried, why it failed, what to do. */
export class StartError extends Error {
  /** The address that could not be had; null: something else failed. */
  readonly unbound: Unbound | null

  constructor(message: string, cause?: unknown, unbound: Unbound | null = null) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'StartError'
    this.unbound = unbound
  }
}

export interface Unbound {
  /** Somebody listens there already; else it could not be listened on at all. */
  readonly inUse: boolean
  /** What chose it, as the message has it. */
  readonly option: string
}
