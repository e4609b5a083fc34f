/**
 * A node as the others see it. A member's identity is (id, generation): the id is the operator's, the generation a counter of the store that
 * every start takes the next of. All else is data of that identity; only the subject raises its incarnation or changes its phase and data (M3).
 */

/** SWIM's words. `dead` and `left` are final for a generation. */
export type Liveness = 'alive' | 'suspect' | 'dead' | 'left'
/** Where a node is in its own life: it owns actors only while `ready`. */
export type Phase = 'joining' | 'ready' | 'draining'
export type Role = 'gateway' | 'actors'

/** What a node says of itself. At most META_BYTES_MAX as JSON. */
export interface MemberMeta {
  readonly roles: readonly Role[]
  /** Actor types it can host, each with its code version. */
  readonly types: Readonly<Record<string, number>>
  /** Version of Troupe. */
  readonly version: string
  readonly labels: Readonly<Record<string, string>>
  /** Share of the actors, 1–16; 1 is the usual. */
  readonly weight: number
  /** Where clients reach it, `ws://HOST:PORT`; absent without a client port. */
  readonly client?: string
  /** Its admin listener, `http://HOST:PORT`. */
  readonly admin?: string
}

export interface Member {
  readonly id: string
  readonly generation: number
  readonly incarnation: number
  readonly liveness: Liveness
  readonly phase: Phase
  /** HOST:PORT of its rpc listener. */
  readonly address: string
  readonly meta: MemberMeta
}

export const META_BYTES_MAX = 1024

export function isTerminal(liveness: Liveness): boolean {
  return liveness === 'dead' || liveness === 'left'
}

/** Whether it owns actors: a suspect one does until the verdict. */
export function inService(member: Member): boolean {
  return member.phase === 'ready' && !isTerminal(member.liveness)
}

/**
 * The total order of what can be said of one id (M1): generation; then a terminal word beats any other, left beats dead; then incarnation;
 * then suspect beats alive. Data belongs to (id, generation, incarnation), so records that are equal so far are equal, unless two processes
 * claim one identity: then the text decides, so that all nodes still agree.
 */
export function compareRecords(a: Member, b: Member): number {
  if (a === b) return 0
  if (a.generation !== b.generation) return a.generation - b.generation
  const terminal = finality(a.liveness) - finality(b.liveness)
  if (terminal !== 0) return terminal
  if (a.incarnation !== b.incarnation) return a.incarnation - b.incarnation
  const accused = Number(a.liveness === 'suspect') - Number(b.liveness === 'suspect')
  if (accused !== 0) return accused
  const [textA, textB] = [dataText(a), dataText(b)]
  return textA === textB ? 0 : textA > textB ? 1 : -1
}

/** The join of the semilattice: of two records of one id, the one that knows more. */
export function merged(a: Member, b: Member): Member {
  return compareRecords(a, b) >= 0 ? a : b
}

function finality(liveness: Liveness): number {
  return liveness === 'left' ? 2 : liveness === 'dead' ? 1 : 0
}

const texts = new WeakMap<Member, string>()

function dataText(member: Member): string {
  let text = texts.get(member)
  if (text === undefined) {
    text = JSON.stringify([member.phase, member.address, metaText(member.meta)])
    texts.set(member, text)
  }
  return text
}

const metaTexts = new WeakMap<MemberMeta, string>()

/** The meta as JSON in one order of fields, so that equal metas have equal text wherever they were made. */
export function metaText(meta: MemberMeta): string {
  let text = metaTexts.get(meta)
  if (text === undefined) {
    const { roles, types, version, labels, weight, client, admin } = meta
    text = JSON.stringify({ roles, types: sorted(types), version, labels: sorted(labels), weight, client, admin })
    metaTexts.set(meta, text)
  }
  return text
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}
