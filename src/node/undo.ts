/** What was opened, so that it can be closed in the opposite order: at the end, or when a later part of the start fails. */
export class Undo {
  readonly #steps: (() => Promise<void> | void)[] = []

  add(step: () => Promise<void> | void): void {
    this.#steps.push(step)
  }

  /** Idempotent. A step that fails does not keep the others from being done; `failed` hears of it. */
  async run(failed: (error: unknown) => void): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step()
      } catch (error) {
        failed(error)
      }
    }
  }
}
