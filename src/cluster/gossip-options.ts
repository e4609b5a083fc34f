/** The membership's share of the options table (src/options.ts), and presets that set it as a whole. docs/membership.md has the formulas. */
import type { Options } from '../options.ts'

export interface GossipOptions {
  readonly periodMs: number
  readonly probeTimeoutMs: number
  readonly indirect: number
  readonly suspicionMult: number
  readonly suspicionMaxMult: number
  readonly confirmations: number
  readonly spreadMs: number
  readonly fanout: number
  readonly transmits: number
  readonly syncMs: number
  readonly reseedMs: number
  readonly joinMs: number
  readonly retentionMs: number
  readonly members: number
  readonly flapWindowMs: number
  readonly holdDownMs: number
}

export function gossipOptions(options: Options): GossipOptions {
  return {
    periodMs: options.gossipPeriodMs,
    probeTimeoutMs: options.gossipProbeTimeoutMs,
    indirect: options.gossipIndirect,
    suspicionMult: options.gossipSuspicionMult,
    suspicionMaxMult: options.gossipSuspicionMaxMult,
    confirmations: options.gossipConfirmations,
    spreadMs: options.gossipSpreadMs,
    fanout: options.gossipFanout,
    transmits: options.gossipTransmits,
    syncMs: options.gossipSyncMs,
    reseedMs: options.gossipReseedMs,
    joinMs: options.gossipJoinMs,
    retentionMs: options.gossipRetentionMs,
    members: options.members,
    flapWindowMs: options.gossipFlapWindowMs,
    holdDownMs: options.gossipHoldDownMs,
  }
}

/** `lan` is the default of every row. `calm` is what HashiCorp's memberlist uses on a LAN; `wan` is for links of up to 300 ms. */
export const GOSSIP_PRESETS: Readonly<Record<'lan' | 'calm' | 'wan', Partial<Options>>> = {
  lan: {},
  calm: {
    gossipPeriodMs: 1000,
    gossipProbeTimeoutMs: 500,
    gossipSuspicionMaxMult: 6,
    gossipConfirmations: 2,
    gossipSpreadMs: 200,
    gossipSyncMs: 30_000,
  },
  wan: {
    gossipPeriodMs: 3000,
    gossipProbeTimeoutMs: 1500,
    gossipSuspicionMult: 6,
    gossipSuspicionMaxMult: 6,
    gossipSpreadMs: 500,
    gossipFanout: 4,
    gossipSyncMs: 60_000,
  },
}
