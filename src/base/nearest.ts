/** What a wrong name may have been meant for. */
const SHOWN_MAX = 8
/** A text of a message, kept in journals with a refusal: short, however the names are. */
const SHOWN_LENGTH_MAX = 200
/** More are not compared: whoever sends wrong names all day gets no more of the machine than others. */
const COMPARED_MAX = 64
const COMPARED_LENGTH_MAX = 32

/** `'a', 'b' and 3 more`: those most like `wrong` first, others as they come. '' where there is none. */
export function nearestNames(wrong: string, names: Iterable<string>): string {
  const all = [...names]
  const near = all
    .slice(0, COMPARED_MAX)
    .map((name) => ({ name, distance: editDistance(name.slice(0, COMPARED_LENGTH_MAX), wrong.slice(0, COMPARED_LENGTH_MAX)) }))
    .toSorted((a, b) => a.distance - b.distance)
  let shown = ''
  let count = 0
  for (const { name } of near.slice(0, SHOWN_MAX)) {
    const next = `${shown}${count === 0 ? '' : ', '}'${name}'`
    if (next.length > SHOWN_LENGTH_MAX) break
    shown = next
    count++
  }
  const left = all.length - count
  if (left === 0) return shown
  return count === 0 ? `${left} with long names` : `${shown} and ${left} more`
}

/** V. I. Levenshtein, "Binary codes capable of correcting deletions, insertions, and reversals", 1966. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length] as number
}
