/** The first answer of a session, and the tickets that let another connection go on with it (DESIGN D10). */
import type { WelcomeFrame } from '../protocol/frames.ts'
import type { Open } from './session.ts'
import type { Site } from './site.ts'

export function welcomeFrame(site: Site, open: Open, resumed: boolean): WelcomeFrame {
  const { node, options } = site
  const { session, who } = open
  return {
    t: 'welcome',
    session,
    ticket: ticketOf(site, open),
    actor: who.actor ?? '',
    node,
    resumed,
    pingEveryMs: options.pingEveryMs,
    ...(who.expiresAt !== undefined && { expiresAt: who.expiresAt }),
    limits: { frameBytes: options.frameBytes, inflight: options.inflight, subscriptions: options.subscriptions },
  }
}

export function ticketOf(site: Site, { session, who, device }: Pick<Open, 'session' | 'who' | 'device'>): string {
  return site.tickets.issue({ session, who, device, expiresAt: site.clock.now() + site.options.ticketTtlMs })
}
