/** WebSocket frames (RFC 6455 §5.2) as a client needs them: masked out, unmasked in, nothing else. */

export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** A whole masked frame. `payload` is ASCII: what the benches send. */
export function maskedFrame(opcode: number, payload: string): Buffer {
  const length = payload.length
  const head = length < 126 ? 6 : 8
  if (length > 0xffff) throw new RangeError('bench frames are short')
  const frame = Buffer.allocUnsafe(head + length)
  frame[0] = 0x80 | opcode
  if (length < 126) frame[1] = 0x80 | length
  else {
    frame[1] = 0x80 | 126
    frame.writeUInt16BE(length, 2)
  }
  // A mask that is not zero: servers skip the work for zero, and no real client sends it.
  const mask = (Math.random() * 0x1_0000_0000) | 1
  const m0 = mask & 255
  const m1 = (mask >>> 8) & 255
  const m2 = (mask >>> 16) & 255
  const m3 = mask >>> 24
  frame[head - 4] = m0
  frame[head - 3] = m1
  frame[head - 2] = m2
  frame[head - 1] = m3
  for (let i = 0; i < length; i++) {
    const key = (i & 3) === 0 ? m0 : (i & 3) === 1 ? m1 : (i & 3) === 2 ? m2 : m3
    frame[head + i] = payload.charCodeAt(i) ^ key
  }
  return frame
}

/**
 * Calls `onFrame` for each whole unmasked frame in `bytes` and returns how many bytes they took; the rest is the start of a frame.
 * Servers of the benches do not fragment messages: a fragment throws.
 */
export function readFrames(bytes: Buffer, length: number, onFrame: (opcode: number, start: number, end: number) => void): number {
  let at = 0
  while (length - at >= 2) {
    const first = bytes[at] as number
    if ((first & 0x80) === 0 || (first & 0x0f) === 0) throw new Error('a fragmented message')
    let size = (bytes[at + 1] as number) & 0x7f
    let start = at + 2
    if (size === 126) {
      if (length - at < 4) break
      size = bytes.readUInt16BE(at + 2)
      start = at + 4
    } else if (size === 127) {
      if (length - at < 10) break
      size = Number(bytes.readBigUInt64BE(at + 2))
      start = at + 10
    }
    if (length - start < size) break
    onFrame(first & 0x0f, start, start + size)
    at = start + size
  }
  return at
}
