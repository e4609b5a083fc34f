/** The first answer of a session, and the tickets that let another connection go on with it (DESIGN D10). */
import type { WelcomeFrame } from '../protocol/frames.ts'
import type { Admitted } from './admission.ts'
import type { Site } from './site.ts'

export function welcomeFrame(site: Site, admitted: Admitted): WelcomeFrame {
  const { node, options } = site
  const { session, resumed, who } = admitted
  return {
    t: 'welcome',
    session,
    ticket: ticketOf(site, admitted),
    actor: who.actor ?? '',
    node,
    resumed,
    pingEveryMs: options.pingEveryMs,
    ...(who.expiresAt !== undefined && { expiresAt: who.expiresAt }),
    limits: { frameBytes: options.frameBytes, inflight: options.inflight, subscriptions: options.subscriptions },
  }
}

type Ticketed = Pick<Admitted, 'session' | 'who' | 'device' | 'ticketUntil'>

/** Holds for `ticketTtlMs`, or as long as the ticket that alone let them in. */
export function ticketOf(site: Site, { session, who, device, ticketUntil }: Ticketed): string {
  return site.tickets.issue({ session, who, device, expiresAt: ticketUntil ?? site.clock.now() + site.options.ticketTtlMs })
}
