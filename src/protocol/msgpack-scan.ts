/**
 * Walks over MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md) without building anything, so that a hostile message
 * is refused before a decoder allocates for it: a five-byte array header may claim four billion items.
 *
 * Accepted: complete values whose maps have text keys, no deeper than told, without extension types.
 */
export type Scanned =
  { readonly ok: true; /** End of each value. */ readonly ends: readonly number[] } | { readonly ok: false; readonly message: string }

const TRUNCATED = -1
const TOO_DEEP = -2
const NO_VALUE = -3
const KEY_NOT_TEXT = -4
const EXTENSION = -5

const MESSAGES: Readonly<Record<number, string>> = {
  [TRUNCATED]: 'the MessagePack message ends inside a value',
  [TOO_DEEP]: 'the MessagePack message is nested too deeply',
  [NO_VALUE]: 'the byte 0xc1 is not MessagePack',
  [KEY_NOT_TEXT]: 'keys of maps must be texts',
  [EXTENSION]: 'MessagePack extension types are not taken',
}

/** `depthMax` counts the outermost map. */
export function scanValues(bytes: Uint8Array, depthMax: number): Scanned {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const ends: number[] = []
  for (let at = 0; at < bytes.length;) {
    at = skip(view, at, depthMax)
    if (at < 0) return { ok: false, message: MESSAGES[at] as string }
    ends.push(at)
  }
  return { ok: true, ends }
}

/** The end of the value at `at`, or what is wrong with it. Recursion is bounded by `left`. */
function skip(view: DataView, at: number, left: number): number {
  if (at >= view.byteLength) return TRUNCATED
  const head = view.getUint8(at)
  if (head <= 0x7f || head >= 0xe0) return at + 1
  if (head <= 0x8f) return skipItems(view, at + 1, head & 0x0f, true, left)
  if (head <= 0x9f) return skipItems(view, at + 1, head & 0x0f, false, left)
  if (head <= 0xbf) return within(view, at + 1 + (head & 0x1f))
  switch (head) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return at + 1
    case 0xc1:
      return NO_VALUE
    case 0xc4:
    case 0xd9:
      return skipSized(view, at, 1)
    case 0xc5:
    case 0xda:
      return skipSized(view, at, 2)
    case 0xc6:
    case 0xdb:
      return skipSized(view, at, 4)
    case 0xcc:
    case 0xd0:
      return within(view, at + 2)
    case 0xcd:
    case 0xd1:
      return within(view, at + 3)
    case 0xca:
    case 0xce:
    case 0xd2:
      return within(view, at + 5)
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return within(view, at + 9)
    case 0xdc:
    case 0xdd:
    case 0xde:
    case 0xdf: {
      const sizeBytes = head === 0xdc || head === 0xde ? 2 : 4
      if (at + 1 + sizeBytes > view.byteLength) return TRUNCATED
      return skipItems(view, at + 1 + sizeBytes, sizeAt(view, at + 1, sizeBytes), head >= 0xde, left)
    }
    default:
      return EXTENSION
  }
}

function skipItems(view: DataView, start: number, count: number, map: boolean, left: number): number {
  if (left === 0) return TOO_DEEP
  let at = start
  for (let i = 0; i < count; i++) {
    if (map) {
      if (at < view.byteLength && !isText(view.getUint8(at))) return KEY_NOT_TEXT
      at = skip(view, at, left - 1)
      if (at < 0) return at
    }
    at = skip(view, at, left - 1)
    if (at < 0) return at
  }
  return at
}

function isText(head: number): boolean {
  return (head >= 0xa0 && head <= 0xbf) || (head >= 0xd9 && head <= 0xdb)
}

function skipSized(view: DataView, at: number, sizeBytes: 1 | 2 | 4): number {
  if (at + 1 + sizeBytes > view.byteLength) return TRUNCATED
  return within(view, at + 1 + sizeBytes + sizeAt(view, at + 1, sizeBytes))
}

function sizeAt(view: DataView, at: number, sizeBytes: number): number {
  return sizeBytes === 1 ? view.getUint8(at) : sizeBytes === 2 ? view.getUint16(at) : view.getUint32(at)
}

function within(view: DataView, end: number): number {
  return end > view.byteLength ? TRUNCATED : end
}
