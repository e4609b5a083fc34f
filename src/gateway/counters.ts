/** What a gateway has counted since its start. Names are those of the metrics. */
export interface GatewayCounters {
  connected: number
  resumed: number
  refused: number
  frames: number
  sends: number
  queries: number
  notes: number
  gaps: number
  pulls: number
  malformed: number
  pings: number
  noPong: number
  slow: number
  overLimit: number
  httpRequests: number
}

export function freshCounters(): GatewayCounters {
  return {
    connected: 0,
    resumed: 0,
    refused: 0,
    frames: 0,
    sends: 0,
    queries: 0,
    notes: 0,
    gaps: 0,
    pulls: 0,
    malformed: 0,
    pings: 0,
    noPong: 0,
    slow: 0,
    overLimit: 0,
    httpRequests: 0,
  }
}
