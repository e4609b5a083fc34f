/** Members and views for the tests of placement. */
import { createHash } from 'node:crypto'
import type { Log } from '../../src/base/log.ts'
import type { Member, MemberMeta } from '../../src/cluster/member.ts'
import { buildRings, type Ring, type Share } from '../../src/cluster/ring.ts'
import type { RingBuilder } from '../../src/cluster/ring-builder.ts'
import type { View } from '../../src/cluster/view.ts'

export function member(id: string, about: Partial<Omit<Member, 'meta'>> & { readonly meta?: Partial<MemberMeta> } = {}): Member {
  const meta: MemberMeta = { roles: ['gateway', 'actors'], types: { user: 1 }, version: '0.1.0', labels: {}, weight: 1, ...about.meta }
  return { id, generation: 1, incarnation: 1, liveness: 'alive', phase: 'ready', address: `${id}:7100`, ...about, meta }
}

/** The hash is over all that is given: a view in which anything differs is another one. */
export function view(members: readonly Member[], hash: string = sha(JSON.stringify(members))): View {
  return { self: { id: members[0]?.id ?? 'self', generation: 1 }, members, hash }
}

function sha(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** Builds when it is told to. */
export class HeldBuilder implements RingBuilder {
  readonly asked: (readonly (readonly Share[])[])[] = []
  closed = false
  #done: ((rings: readonly Ring[] | null) => void) | null = null

  build(sets: readonly (readonly Share[])[], done: (rings: readonly Ring[] | null) => void): void {
    if (this.#done !== null) throw new Error('a build is under way')
    this.asked.push(sets)
    this.#done = done
  }

  /** Hands over what was asked for, or says that it cannot be built. */
  finish(how: 'built' | 'failed' = 'built'): void {
    const done = this.#done
    this.#done = null
    done?.(how === 'failed' ? null : buildRings(this.asked.at(-1) ?? []))
  }

  close(): Promise<void> {
    this.closed = true
    return Promise.resolve()
  }
}

export class ListLog implements Log {
  readonly lines: string[] = []
  info(_: object, message: string): void {
    this.lines.push(`info ${message}`)
  }
  warn(_: object, message: string): void {
    this.lines.push(`warn ${message}`)
  }
  error(_: object, message: string): void {
    this.lines.push(`error ${message}`)
  }
}
