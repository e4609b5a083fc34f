/**
 * Protocol Buffers say that a `string` is UTF-8 and that a message with another is malformed. The decoder puts U+FFFD for what it cannot
 * read instead, and an actor whose name was garbled on the way would become another actor.
 */
import { isUtf8 } from 'node:buffer'

/** Whether the fields of these numbers hold UTF-8, in a message that the decoder has taken. */
export function stringsAreUtf8(message: Buffer, fields: ReadonlySet<number>): boolean {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++] ?? 0
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  while (at < message.length) {
    const tag = varint()
    switch (tag % 8) {
      case 0:
        varint()
        break
      case 1:
        at += 8
        break
      case 2: {
        const end = varint() + at
        if (fields.has(Math.floor(tag / 8)) && !isUtf8(message.subarray(at, end))) return false
        at = end
        break
      }
      case 5:
        at += 4
        break
      default:
        // Groups: no message of ours has any.
        return false
    }
  }
  return true
}
