/** Ending the sockets of somebody: an app's or an operator's will. */
import { CLOSE } from '../protocol/close-codes.ts'
import type { Site } from './site.ts'

export interface Kick {
  /** Their own actor, or their `sub`. */
  readonly who: string
  readonly device?: string
  readonly reason?: string
}

/** Sockets of all nodes: theirs and this one's. */
export interface Everywhere {
  sockets(actor: string): Promise<number>
  kick(kick: Kick): Promise<number>
}

/** Those of this node. A walk over all: it is a rare act, and a user may have sockets under several actors. */
export function kickHere(site: Pick<Site, 'live' | 'counters'>, { who, device, reason = 'closed by the app' }: Kick): number {
  let kicked = 0
  for (const socket of [...site.live.sockets]) {
    const found = socket.who
    if (found === null || (found.actor !== who && found.sub !== who)) continue
    if (device !== undefined && socket.device !== device) continue
    socket.bye(CLOSE.kicked, reason)
    kicked++
  }
  site.counters.kicked += kicked
  return kicked
}
