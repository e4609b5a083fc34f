/**
 * When a connection is pinged and when it is given up. Pure; time is in ticks of the wheel.
 *
 *  1. A connection to which nothing was sent for `every`, or from which nothing came for `every`, gets a ping. (The second so that one
 *     that only listens is found dead too, however much is sent to it.)
 *  2. Any bytes from the client answer a ping. `grace` after an unanswered one the connection is dead.
 *  3. The first ping comes at random within the interval, so that connections which came together do not ping together.
 */
export interface Pulse {
  lastSent: number
  lastHeard: number
  /** Tick of the unanswered ping; 0 for none. */
  pingedAt: number
}

export type Beat = { readonly do: 'ping' | 'wait'; readonly next: number } | { readonly do: 'dead' }

export function beat(pulse: Pulse, tick: number, every: number, grace: number): Beat {
  if (pulse.pingedAt !== 0) {
    if (pulse.lastHeard < pulse.pingedAt)
      return tick - pulse.pingedAt >= grace ? { do: 'dead' } : { do: 'wait', next: pulse.pingedAt + grace }
    pulse.pingedAt = 0
  }
  const quiet = Math.min(pulse.lastSent, pulse.lastHeard)
  if (tick - quiet < every) return { do: 'wait', next: quiet + every }
  pulse.pingedAt = tick
  return { do: 'ping', next: tick + grace }
}

/** Pretends that the last frame was sent at random within the past interval (3). */
export function firstPulse(tick: number, every: number, random: number): Pulse {
  return { lastSent: tick - Math.floor(random * every), lastHeard: tick, pingedAt: 0 }
}
