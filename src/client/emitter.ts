/** Named listeners. A listener that throws does not stop the others or the SDK: what it threw goes to `onThrow`. */
export class Emitter<Events extends { readonly [Name in keyof Events]: readonly unknown[] }> {
  readonly #listeners = new Map<keyof Events, Set<(...args: never) => void>>()

  /** Returns how to stop listening. */
  on<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): () => void {
    const entry = (...args: Events[Name]): void => listener(...args)
    let set = this.#listeners.get(name)
    if (set === undefined) this.#listeners.set(name, (set = new Set()))
    set.add(entry)
    return () => void set.delete(entry)
  }

  /** False: nobody listens. */
  emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): boolean {
    const listeners = [...(this.#listeners.get(name) ?? [])]
    for (const listener of listeners) guarded(() => (listener as (...args: Events[Name]) => void)(...args))
    return listeners.length > 0
  }
}

/** Runs a callback of the app. What it throws is reported as an uncaught error of the host, as for an event listener, and goes no further. */
export function guarded(run: () => void): void {
  try {
    run()
  } catch (thrown) {
    queueMicrotask(() => {
      throw thrown
    })
  }
}
