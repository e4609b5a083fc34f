/** What an app threw, as a text for the log. It may be anything, also what cannot be made a text. */
export function thrownText(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown)
  } catch {
    return `a thrown ${typeof thrown} without a text`
  }
}

/** The error itself, or one that stands for what was thrown instead of one: who catches errors alone would let it pass. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(`not an error: ${thrownText(thrown)}`)
}
