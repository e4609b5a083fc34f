/**
 * How clients leave a node that goes (DESIGN H2). A client that can move opens its second connection before it lets the first one go,
 * at a time of its own choice within the spread: so nobody is closed before the spread is over.
 *
 *     hint ──(drainSpreadMs)──▶ retire who is left, at a pace ──(sendTimeoutMs)──▶ shut down ──(LAST_WORD_MS)──▶ cut
 *            clients go                requests are answered, then bye
 *
 *  1. Each wait ends as soon as all have gone.
 *  2. It ends, whatever clients, the app and the store do: no request, however long its own time-out, holds it beyond the third step.
 */
import type { Closable, Site } from './site.ts'

const PACE_MS = 50
/** The retiring is spread over this part of the time that clients had to go by themselves. */
const RETIRE_PART = 1 / 4
/** What was written last has this long to be taken. */
const LAST_WORD_MS = 100

export async function drainSockets(site: Site): Promise<void> {
  const { live, clock, log, options } = site
  const pause = (): Promise<void> => new Promise((resolve) => void clock.after(PACE_MS, resolve))
  const allGone = async (ms: number): Promise<boolean> => {
    const end = clock.mono() + ms
    while (live.sockets.size > 0 && clock.mono() < end) await pause()
    return live.sockets.size === 0
  }
  live.draining = true
  log.info({ sockets: live.sockets.size, spreadMs: options.drainSpreadMs }, 'draining sockets')
  for (const socket of live.sockets) socket.hintDrain(options.drainSpreadMs)
  if (await allGone(options.drainSpreadMs)) return
  // From here on nobody comes: who asks is told that this node is going.
  const steps = Math.max(1, Math.floor((options.drainSpreadMs * RETIRE_PART) / PACE_MS))
  await retireAtPace(site, Math.ceil(live.sockets.size / steps), pause)
  if (await allGone(options.sendTimeoutMs)) return
  log.warn({ sockets: live.sockets.size, afterMs: options.sendTimeoutMs }, 'sockets that did not go in time are closed')
  endAll(site)
  while (live.sockets.size > 0) await pause()
}

async function retireAtPace({ live }: Site, each: number, pause: () => Promise<void>): Promise<void> {
  const leaving: readonly Closable[] = [...live.sockets]
  let inStep = 0
  for (const socket of leaving) {
    // Who has gone by itself costs no time.
    if (!live.sockets.has(socket)) continue
    if (inStep === each) {
      inStep = 0
      await pause()
    }
    socket.retire()
    inStep++
  }
}

/** Says goodbye to all and ends them, also those that take nothing. */
export function endAll({ live, clock }: Site): void {
  const all: readonly Closable[] = [...live.sockets]
  if (all.length === 0) return
  for (const socket of all) socket.shutDown()
  clock.after(LAST_WORD_MS, () => {
    for (const socket of all) socket.cut()
  })
}
