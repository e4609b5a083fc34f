/** Line plots as small SVG files, drawn by hand: logarithmic x, linear or logarithmic y, one line for each series. */

export interface Series {
  readonly name: string
  readonly colour: string
  readonly dashed?: boolean
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface Plot {
  readonly title: string
  readonly x: string
  readonly y: string
  readonly log: boolean
  readonly series: readonly Series[]
  /** Marked on the plot, as in a target. */
  readonly marks?: Series
}

const WIDTH = 640
const HEIGHT = 360
const LEFT = 64
const RIGHT = 150
const TOP = 40
const BOTTOM = 48
const GRID = '#d8dee4'
const TEXT = '#57606a'
const LABEL_PX = 15

export function svgOf({ title, x, y, log, series, marks }: Plot): string {
  const all = [...series, ...(marks === undefined ? [] : [marks])].flatMap(({ points }) => points)
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b)
  const most = Math.max(...all.map(([, value]) => value))
  const least = log ? Math.min(...all.map(([, value]) => value)) : 0
  const ticks = log ? logTicks(least, most) : linearTicks(most)
  const [low, high] = [ticks[0] as number, ticks.at(-1) as number]
  const [first, last] = [Math.log10(xs[0] as number), Math.log10(xs.at(-1) as number)]
  const atX = (value: number): number => LEFT + ((Math.log10(value) - first) / (last - first || 1)) * (WIDTH - LEFT - RIGHT)
  const share = (value: number): number => (log ? Math.log10(value / low) / Math.log10(high / low) : (value - low) / (high - low || 1))
  const atY = (value: number): number => HEIGHT - BOTTOM - share(value) * (HEIGHT - TOP - BOTTOM)

  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="${TEXT}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, 22, title, 'font-size="14" font-weight="600" fill="#24292f"'),
    text(LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 10, x, 'text-anchor="middle"'),
    text(0, 0, y, `text-anchor="middle" transform="translate(16 ${fixed(TOP + (HEIGHT - TOP - BOTTOM) / 2)}) rotate(-90)"`),
  ]
  for (const tick of ticks) {
    lines.push(`<path d="M${LEFT} ${fixed(atY(tick))}H${WIDTH - RIGHT}" stroke="${GRID}"/>`)
    lines.push(text(LEFT - 8, atY(tick) + 4, number(tick), 'text-anchor="end"'))
  }
  for (const tick of xs) lines.push(text(atX(tick), HEIGHT - BOTTOM + 18, number(tick), 'text-anchor="middle"'))
  for (const { colour, dashed, points } of series) {
    const path = points.map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${fixed(atX(px))} ${fixed(atY(py))}`).join('')
    lines.push(`<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"${dashed === true ? ' stroke-dasharray="6 4"' : ''}/>`)
    for (const [px, py] of points) lines.push(`<circle cx="${fixed(atX(px))}" cy="${fixed(atY(py))}" r="3" fill="${colour}"/>`)
  }
  for (const [px, py] of marks?.points ?? [])
    lines.push(`<path d="M${fixed(atX(px) - 9)} ${fixed(atY(py))}h18" stroke="${marks?.colour}" stroke-width="2.5"/>`)
  lines.push(...labels([...series, ...(marks === undefined ? [] : [marks])], atY))
  return `${[...lines, '</svg>'].join('\n')}\n`
}

/** Beside the last point of each line, moved apart where they would lie over each other. */
function labels(series: readonly Series[], atY: (value: number) => number): string[] {
  const placed = series
    .map(({ name, colour, points }) => ({ name, colour, wanted: atY(points.at(-1)?.[1] ?? 0) }))
    .sort((a, b) => a.wanted - b.wanted)
  let above = TOP - LABEL_PX
  const at = placed.map(({ wanted }) => (above = Math.max(wanted, above + LABEL_PX)))
  // Pushed out at the bottom: all move up again.
  let below = HEIGHT - BOTTOM + LABEL_PX
  for (let i = at.length - 1; i >= 0; i--) at[i] = below = Math.min(at[i] as number, below - LABEL_PX)
  return placed.map(({ name, colour }, i) => text(WIDTH - RIGHT + 10, (at[i] as number) + 4, name, `fill="${colour}" font-weight="600"`))
}

function linearTicks(most: number): number[] {
  const rough = most / 5 || 1
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((times) => times * power).find((candidate) => candidate >= rough) as number
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step)
}

/** 1, 2 and 5 of each power of ten around the values. */
function logTicks(least: number, most: number): number[] {
  const ticks: number[] = []
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++)
    for (const times of [1, 2, 5]) ticks.push(times * 10 ** power)
  const from = ticks.findLastIndex((tick) => tick <= least)
  const to = ticks.findIndex((tick) => tick >= most)
  return ticks.slice(from, to + 1)
}

function number(value: number): string {
  return value >= 1 ? value.toLocaleString('en', { maximumFractionDigits: 1 }) : String(Number(value.toPrecision(2)))
}

function text(x: number, y: number, content: string, more: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${more}>${escaped}</text>`
}

function fixed(value: number): string {
  return String(Math.round(value * 10) / 10)
}
