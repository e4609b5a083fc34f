/** The socket, as a connection needs it. server.ts makes one from `ws`. */
export interface Socket {
  readonly address: string
  /** Bytes written that the kernel has not taken. */
  readonly waitingBytes: number
  /** Grows with every byte the kernel takes. */
  readonly takenBytes: number
  /** Grows with every byte that is read, also of a frame that is not whole yet. */
  readonly readBytes: number
  write(bytes: Uint8Array, taken: (() => void) | undefined): void
  pause(): void
  resume(): void
  /** Begins the closing handshake. */
  close(code: number, reason: string): void
  /** Ends it, when what was written has been sent. */
  destroy(): void
  /** Ends it now. */
  cut(): void
}

/** Stands for a socket that is closed, so that nothing holds the real one. */
export const GONE: Socket = Object.freeze({
  address: '',
  waitingBytes: 0,
  takenBytes: 0,
  readBytes: 0,
  write: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
  close: () => undefined,
  destroy: () => undefined,
  cut: () => undefined,
})
