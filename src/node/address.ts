/** HOST:PORT as people write it. Port 0 means any. */
export interface Address {
  /** Without brackets; '' = every address of the machine. */
  readonly host: string
  readonly port: number
}

/**
 * `127.0.0.1:7000`, `[::1]:7000`, `localhost:0`, `:7000` (every address), `7000` (loopback only).
 * Otherwise what is wrong, for a person.
 */
export function parseAddress(text: string): Address | { readonly wrong: string } {
  const match = /^(?:\[([0-9a-fA-F:.%a-z]+)\]:|([^:[\]\s]*):|)(\d{1,5})$/.exec(text.trim())
  if (match === null) {
    const bare = text.split(':').length > 2 && !text.includes('[')
    return {
      wrong: `'${text}' is not HOST:PORT${bare ? '; an IPv6 address goes into brackets, as in [::1]:7000' : ', as in 127.0.0.1:7000'}`,
    }
  }
  const port = Number(match[3])
  if (port > 65_535) return { wrong: `'${text}': a port is at most 65535` }
  const host = match[1] ?? match[2] ?? '127.0.0.1'
  return { host: host === '*' ? '' : host, port }
}

/** Whether only this machine can reach it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** The part of a URL that names host and port. */
export function authority(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host === '' ? '0.0.0.0' : host}:${port}`
}
