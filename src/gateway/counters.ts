/** What a gateway has counted since its start. Names are those of the metrics. */
export interface GatewayCounters {
  connected: number
  resumed: number
  refused: number
  /** Sessions that got no resume ticket: it would have been too large. */
  ticketless: number
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
  /** Sockets turned away because there were `connections`. */
  overLimit: number
  /** And because `unauthenticated` others had not been let in yet. */
  overUnauthenticated: number
  /** Hints to be slower. */
  slower: number
  kicked: number
  /** Sockets whose session connected again. */
  replaced: number
  /** Payloads of WebSocket messages and bodies of HTTP requests. */
  bytesIn: number
  /** The same of messages, answers and event streams, when they are given to the socket. */
  bytesOut: number
  httpRequests: number
}

export function freshCounters(): GatewayCounters {
  return {
    connected: 0,
    resumed: 0,
    refused: 0,
    ticketless: 0,
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
    overUnauthenticated: 0,
    slower: 0,
    kicked: 0,
    replaced: 0,
    bytesIn: 0,
    bytesOut: 0,
    httpRequests: 0,
  }
}
