/** One send on its way to another node, and the lane it stands in (lanes.ts). */
import type { SendCall, SendOutcome } from '../actors/calls.ts'
import type { DeadlineList, Waiting } from '../base/deadline.ts'
import type { ByteWriter } from './bytes.ts'
import type { AskingLink, LinkRequest } from './asking-link.ts'
import { writeSend, type Payload } from './link-encode.ts'
import type { AnswerFrame } from './link-frames.ts'

/** The sends of one actor from this node that have no final answer yet, in order. There only while there are some. */
export interface Lane {
  readonly actor: string
  /**
   * flowing: each send is asked when it comes. settling: one must be asked again, so nothing is asked until all that was is answered.
   * resting: waits until all are asked again.
   */
  phase: 'flowing' | 'settling' | 'resting'
  first: ForwardedSend | null
  last: ForwardedSend | null
  /** The oldest that is not asked, while flowing. */
  next: ForwardedSend | null
  /** Asked and not answered. */
  asked: number
  /** Where they go; null: this node's engine. */
  link: AskingLink | null
  /** The placement in which that was so (Routes.number). */
  placed: number
  attempt: number
  /** Who the last `moved` named. */
  hint: string
  minVersion: number
  rest: { cancel(): void } | null
  /** Since when its first send waits, and why. */
  troubleAt: number
  trouble: 'moved' | 'lost' | null
}

export interface SendOwner {
  now(): number
  /** An answer or, null, the loss of its link. */
  heard(send: ForwardedSend, frame: AnswerFrame | null): void
  expired(send: ForwardedSend): void
}

export class ForwardedSend implements LinkRequest, Waiting {
  readonly lane: Lane
  readonly call: SendCall
  readonly order: number
  readonly data: Payload
  readonly done: (outcome: SendOutcome) => void
  readonly #owner: SendOwner
  earlier: ForwardedSend | null = null
  later: ForwardedSend | null = null
  asked = false
  over = false
  list: DeadlineList | null = null
  expiresAt: number = 0
  before: Waiting | null = null
  after: Waiting | null = null

  constructor(owner: SendOwner, lane: Lane, call: SendCall, order: number, data: Payload, done: (outcome: SendOutcome) => void) {
    this.#owner = owner
    this.lane = lane
    this.call = call
    this.order = order
    this.data = data
    this.done = done
  }

  get bytes(): number {
    return 128 + (this.data?.length ?? 0)
  }

  get withdrawn(): boolean {
    return this.lane.phase !== 'flowing'
  }

  get leftMs(): number {
    return Math.max(1, Math.ceil(this.expiresAt - this.#owner.now()))
  }

  write(out: ByteWriter, id: number): void {
    writeSend(out, id, this.leftMs, this.call, this.data)
  }

  answered(frame: AnswerFrame): void {
    this.#owner.heard(this, frame)
  }

  lost(): void {
    this.#owner.heard(this, null)
  }

  expired(): void {
    this.#owner.expired(this)
  }
}

export function newLane(actor: string): Lane {
  return {
    actor,
    phase: 'flowing',
    first: null,
    last: null,
    next: null,
    asked: 0,
    link: null,
    placed: 0,
    attempt: 0,
    hint: '',
    minVersion: 0,
    rest: null,
    troubleAt: 0,
    trouble: null,
  }
}

/** Nearly always at the end; never before one that is asked while the lane flows. */
export function insert(lane: Lane, send: ForwardedSend): void {
  const flows = lane.phase === 'flowing'
  let earlier = lane.last
  while (earlier !== null && earlier.order > send.order && !(flows && earlier.asked)) earlier = earlier.earlier
  const later = earlier === null ? lane.first : earlier.later
  send.earlier = earlier
  send.later = later
  if (earlier === null) lane.first = send
  else earlier.later = send
  if (later === null) lane.last = send
  else later.earlier = send
  if (lane.next === later) lane.next = send
}

export function remove(lane: Lane, send: ForwardedSend): void {
  const { earlier, later } = send
  if (lane.next === send) lane.next = later
  if (earlier === null) lane.first = later
  else earlier.later = later
  if (later === null) lane.last = earlier
  else later.earlier = earlier
  send.earlier = null
  send.later = null
}
