/**
 * Which welcomed sockets are here: by their own actor (an app asks whether somebody is, and ends them) and by session (one that
 * connects again while its old socket still stands is found). Two entries for a socket, of texts that exist anyway; a set only for actors
 * with several.
 *
 *  1. A socket is here from its welcome to its end, under the actor it was welcomed with.
 *  2. A session has the socket that was welcomed last. Event streams have none: one session may follow several topics.
 */
import type { Closable } from './site.ts'

export class Presence<Member extends Closable = Closable> {
  readonly #byActor = new Map<string, Member | Set<Member>>()
  readonly #bySession = new Map<string, Member>()

  enter(actor: string | undefined, member: Member): void {
    if (actor === undefined) return
    const here = this.#byActor.get(actor)
    if (here === undefined) this.#byActor.set(actor, member)
    else if (here instanceof Set) here.add(member)
    else if (here !== member) this.#byActor.set(actor, new Set([here, member]))
  }

  leave(actor: string | undefined, member: Member): void {
    if (actor === undefined) return
    const here = this.#byActor.get(actor)
    if (here === member) this.#byActor.delete(actor)
    if (!(here instanceof Set)) return
    here.delete(member)
    if (here.size === 0) this.#byActor.delete(actor)
  }

  count(actor: string): number {
    const here = this.#byActor.get(actor)
    return here === undefined ? 0 : here instanceof Set ? here.size : 1
  }

  /** The session goes on with this socket. Another that had it until now is returned: its time is over. */
  takeOver(session: string, member: Member): Member | null {
    const before = this.#bySession.get(session)
    this.#bySession.set(session, member)
    return before === undefined || before === member ? null : before
  }

  /** Nothing, when another socket has taken the session over. */
  release(session: string, member: Member): void {
    if (this.#bySession.get(session) === member) this.#bySession.delete(session)
  }
}
