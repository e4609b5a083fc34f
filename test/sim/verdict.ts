/** The first property that failed in a run. Checks report here instead of throwing: they are called from inside the engine. */
export type Kind = 'safety' | 'liveness' | 'leak' | 'nondeterminism'

/** Exit codes of the command line, by kind. */
export const EXIT_CODES: Readonly<Record<Kind, number>> = Object.freeze({ safety: 1, liveness: 2, nondeterminism: 3, leak: 4 })

export interface Violation {
  readonly property: string
  readonly kind: Kind
  readonly message: string
}

export class Verdict {
  violation: Violation | null = null

  fail(property: string, kind: Kind, message: string): void {
    this.violation ??= { property, kind, message }
  }
}
