/** Close codes (CONTRACT §3). The range says what a client does: 3000–3499 reconnect, 3500–3999 do not; the name explains. */
export const CLOSE = {
  shutdown: 3001,
  tokenExpired: 3005,
  slowConsumer: 3008,
  pleaseReconnect: 3011,
  noPong: 3012,
  busy: 3013,
  drained: 3015,
  invalidToken: 3500,
  protocolError: 3501,
  neverConnected: 3502,
  kicked: 3503,
  /** Of one user; a node that is full says `busy`. */
  connectionLimit: 3504,
  denied: 3507,
  replaced: 3510,
} as const

/** Whether a client should reconnect after a close with `code`. Codes below 3000 are the network's and the browser's. */
export function reconnects(code: number): boolean {
  if (code >= 3000 && code <= 3499) return true
  if (code >= 4000 && code <= 4499) return true
  return [1001, 1005, 1006, 1011, 1012, 1013, 1014].includes(code)
}
