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

/**
 * Holds for `ticketTtlMs`, or as long as the ticket that alone let them in; for anything but the session's numbers never longer than the
 * token it stands for, whose expiry is in it (admission.ts).
 *
 * Empty when it would take more than half of the largest frame: it must fit a `connect`, beside a token, or whoever is given it would be
 * refused with it for ever. Such a client comes back with its token, as another session.
 */
export function ticketOf(site: Site, { session, who, device, ticketUntil }: Ticketed): string {
  const { tickets, options, clock, counters, log } = site
  const ticket = tickets.issue({ session, who, device, expiresAt: ticketUntil ?? clock.now() + options.ticketTtlMs })
  const bytesMax = Math.floor(options.frameBytes / 2)
  if (ticket.length <= bytesMax) return ticket
  // Once: the counter tells of the others.
  if (counters.ticketless++ === 0)
    log.warn(
      { bytes: ticket.length, bytesMax },
      'a resume ticket would be larger than half of frameBytes, so none was given: shorten sub, actor or claims, or raise frameBytes',
    )
  return ''
}
