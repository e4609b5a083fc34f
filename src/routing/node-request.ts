/** What nodes ask each other for their own sake (a pull, a bundle): not under credit, and given up after its time. */
import type { DeadlineList, Deadlines, Waiting } from '../base/deadline.ts'
import type { LinkRequest } from './asking-link.ts'
import type { ByteWriter } from './bytes.ts'
import type { AnswerFrame } from './link-frames.ts'

export type NodeAnswer = AnswerFrame | 'late' | 'lost'

export class NodeRequest implements LinkRequest, Waiting {
  readonly #deadlines: Deadlines
  /** What it says, until it is said: a bundle is large, and its answer may take long. */
  #write: ((out: ByteWriter, id: number) => void) | null
  readonly #told: (answer: NodeAnswer) => void
  readonly #tooLate: ((answer: AnswerFrame) => void) | null
  readonly bytes = 0
  over = false
  list: DeadlineList | null = null
  expiresAt: number = 0
  before: Waiting | null = null
  after: Waiting | null = null

  /** `tooLate` hears what comes after its time was over. */
  constructor(
    deadlines: Deadlines,
    timeoutMs: number,
    write: (out: ByteWriter, id: number) => void,
    told: (answer: NodeAnswer) => void,
    tooLate: ((answer: AnswerFrame) => void) | null = null,
  ) {
    this.#deadlines = deadlines
    this.#write = write
    this.#told = told
    this.#tooLate = tooLate
    deadlines.begin(this, timeoutMs)
  }

  write(out: ByteWriter, id: number): void {
    this.#write?.(out, id)
    this.#write = null
  }

  answered(frame: AnswerFrame): void {
    if (this.over) this.#tooLate?.(frame)
    else this.#end(frame)
  }

  lost(): void {
    this.#end('lost')
  }

  expired(): void {
    this.#end('late')
  }

  #end(answer: NodeAnswer): void {
    if (this.over) return
    this.over = true
    this.#write = null
    this.#deadlines.end(this)
    this.#told(answer)
  }
}
