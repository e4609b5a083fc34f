/** Randomness as a port, and a seeded generator for reducers and the simulator. */
export interface Random {
  /** Uniform in [0, 1). */
  float(): number
  /** `n` bytes. The system's are unpredictable; a seeded source's are not. */
  bytes(n: number): Uint8Array
}

/** A 128-bit identifier, 22 characters of URL-safe base64. */
export function randomId(random: Random): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const bytes = random.bytes(16)
  let id = ''
  for (let bit = 0; bit < 128; bit += 6) {
    const at = bit >> 3
    const pair = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
    id += alphabet[(pair >> (10 - (bit & 7))) & 63]
  }
  return id
}

/** A 32-bit hash of a string (FNV-1a with a final mix). Not for adversaries: it seeds and compares, it does not protect. */
export function hash32(text: string, seed = 0x811c9dc5): number {
  let h = seed | 0
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** sfc32 (C. Doty-Humphrey, PractRand): a small fast generator. The same seed gives the same numbers on every machine. */
export function seeded(seed: string | number): Random {
  const text = String(seed)
  let a = hash32(text, 1)
  let b = hash32(text, 2)
  let c = hash32(text, 3)
  let counter = 1
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t
    c |= 0
    return t >>> 0
  }
  for (let i = 0; i < 12; i++) next()
  return {
    float: () => next() / 0x1_0000_0000,
    bytes: (n) => {
      const bytes = new Uint8Array(n)
      for (let i = 0; i < n; i++) bytes[i] = next()
      return bytes
    },
  }
}
