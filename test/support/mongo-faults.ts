/** What can go wrong with one command, on demand: what no real server does when asked. */
import type { Document } from 'mongodb'

export interface Fault {
  /** 'drop': the connection ends. 'silent': no answer ever comes. Neither: it is answered. */
  readonly answer?: 'drop' | 'silent'
  /** Whether the command takes effect: default true. */
  readonly applied?: boolean
  /** Instead of the answer. With `applied: false` the server refused before, else it was interrupted afterwards. */
  readonly error?: { readonly code: number; readonly errmsg?: string; readonly labels?: readonly string[] }
  /** Applied on the primary alone: lost if that is lost before a later write is acknowledged. */
  readonly writeConcernError?: { readonly code: number; readonly labels?: readonly string[] }
  /** Applied on the primary alone, and nothing says so: for an answer that never comes. */
  readonly unreplicated?: true
  /** Of an insert or update: these documents fail with this code and are not applied. */
  readonly documents?: ReadonlyMap<number, number>
  /** Before it is applied; after it is applied, before the answer. */
  readonly before?: () => void | Promise<void>
  readonly after?: () => void | Promise<void>
}

export interface Command {
  /** insert, update, find … */
  readonly name: string
  readonly body: Document
  readonly collection: string
}

type Chooser = (command: Command) => Fault | null

export class Faults {
  #planned: { readonly chooser: Chooser; left: number }[] = []

  /** The next `times` commands that `fits` says. A name alone fits every command of it. */
  next(fits: string | ((command: Command) => boolean), fault: Fault, times = 1): void {
    const chosen = typeof fits === 'string' ? ({ name }: Command) => name === fits : fits
    this.#planned.push({ chooser: (command) => (chosen(command) ? fault : null), left: times })
  }

  /** As `next`, and before all that is planned. */
  first(fits: (command: Command) => boolean, fault: Fault, times = 1): void {
    this.#planned.unshift({ chooser: (command) => (fits(command) ? fault : null), left: times })
  }

  /** Of every command from now on. */
  always(chooser: Chooser): void {
    this.#planned.push({ chooser, left: Infinity })
  }

  clear(): void {
    this.#planned = []
  }

  of(command: Command): Fault | null {
    for (const planned of this.#planned) {
      const fault = planned.chooser(command)
      if (fault === null) continue
      if (--planned.left <= 0) this.#planned = this.#planned.filter((other) => other !== planned)
      return fault
    }
    return null
  }
}
