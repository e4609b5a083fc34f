/**
 * A persistent map from ids to numbers that is plain JSON: a hash trie (P. Bagwell, "Ideal Hash Trees", 2001, without its bitmaps).
 * Setting copies one path (at most a leaf of 16 entries and a few branches of 16), so a reducer may use it on every event;
 * older versions stay as they were. Not for adversaries: ids made to collide make one leaf long.
 */
export type IdIndex = Leaf | Branch
interface Leaf {
  readonly ids: readonly string[]
  readonly values: readonly number[]
}
interface Branch {
  readonly children: readonly (IdIndex | null)[]
}

const LEAF_IDS = 16
const BITS = 4
const FAN_OUT = 1 << BITS
const HASH_BITS = 32

export const emptyIndex: IdIndex = { ids: [], values: [] }

export function indexGet(index: IdIndex, id: string): number | undefined {
  let hash = hashOf(id)
  let node = index
  while ('children' in node) {
    const child = node.children[hash & (FAN_OUT - 1)]
    if (child === null || child === undefined) return undefined
    node = child
    hash >>>= BITS
  }
  const at = node.ids.indexOf(id)
  return at < 0 ? undefined : node.values[at]
}

export function indexSet(index: IdIndex, id: string, value: number): IdIndex {
  return set(index, id, value, hashOf(id), 0)
}

export function indexDelete(index: IdIndex, id: string): IdIndex {
  return remove(index, id, hashOf(id))
}

export function* indexEntries(index: IdIndex): Generator<readonly [id: string, value: number]> {
  if ('children' in index) {
    for (const child of index.children) if (child !== null) yield* indexEntries(child)
  } else {
    for (let i = 0; i < index.ids.length; i++) yield [index.ids[i] as string, index.values[i] as number]
  }
}

function set(node: IdIndex, id: string, value: number, hash: number, depth: number): IdIndex {
  if ('children' in node) {
    const slot = hash & (FAN_OUT - 1)
    const child = node.children[slot] ?? emptyIndex
    return { children: node.children.with(slot, set(child, id, value, hash >>> BITS, depth + BITS)) }
  }
  const at = node.ids.indexOf(id)
  if (at >= 0) return { ids: node.ids, values: node.values.with(at, value) }
  if (node.ids.length < LEAF_IDS || depth >= HASH_BITS) return { ids: [...node.ids, id], values: [...node.values, value] }
  return set(split(node, depth), id, value, hash, depth)
}

function split(leaf: Leaf, depth: number): Branch {
  const children: { ids: string[]; values: number[] }[] = Array.from({ length: FAN_OUT }, () => ({ ids: [], values: [] }))
  leaf.ids.forEach((id, i) => {
    const child = children[(hashOf(id) >>> depth) & (FAN_OUT - 1)] as { ids: string[]; values: number[] }
    child.ids.push(id)
    child.values.push(leaf.values[i] as number)
  })
  return { children: children.map((child) => (child.ids.length === 0 ? null : child)) }
}

function remove(node: IdIndex, id: string, hash: number): IdIndex {
  if ('children' in node) {
    const slot = hash & (FAN_OUT - 1)
    const child = node.children[slot]
    if (child === null || child === undefined) return node
    const less = remove(child, id, hash >>> BITS)
    if (less === child) return node
    const children = node.children.with(slot, 'ids' in less && less.ids.length === 0 ? null : less)
    return children.every((each) => each === null) ? emptyIndex : { children }
  }
  const at = node.ids.indexOf(id)
  return at < 0 ? node : { ids: node.ids.toSpliced(at, 1), values: node.values.toSpliced(at, 1) }
}

/** FNV-1a with a final mix: every bit of the result depends on every character. */
export function hashOf(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
