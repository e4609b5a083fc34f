/** Figures for `/metrics` that are read at each scrape, as lines of the Prometheus text format. */

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

export type Figure =
  | { readonly kind: 'gauge' | 'counter'; readonly name: string; readonly help: string; readonly samples: readonly Sample[] }
  | {
      readonly kind: 'histogram'
      readonly name: string
      readonly help: string
      /** In ms; the exported unit is seconds, as the name must say. */
      readonly boundsMs: readonly number[]
      /** Those at or below each bound, and one more for all above; not cumulative. */
      readonly counts: readonly number[]
      readonly sumMs: number
    }

export function figuresText(figures: readonly Figure[], node: string): string {
  return figures.map((figure) => figureText(figure, node)).join('')
}

function figureText(figure: Figure, node: string): string {
  const { kind, name, help } = figure
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`]
  if (figure.kind === 'histogram') {
    let seen = 0
    const bucket = (le: string): string => `${name}_bucket${labelsText({ node, le })} ${seen}`
    for (const [i, bound] of figure.boundsMs.entries()) {
      seen += figure.counts[i] ?? 0
      lines.push(bucket(String(bound / 1000)))
    }
    seen += figure.counts[figure.boundsMs.length] ?? 0
    const own = labelsText({ node })
    lines.push(bucket('+Inf'), `${name}_sum${own} ${figure.sumMs / 1000}`, `${name}_count${own} ${seen}`)
  } else for (const { labels, value } of figure.samples) lines.push(`${name}${labelsText({ node, ...labels })} ${value}`)
  return `${lines.join('\n')}\n`
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, '_')}"`)
  return `{${pairs.join(',')}}`
}

/** Names of counters come from code, not from callers; still only what Prometheus takes gets through. */
export function snake(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9_]/g, '_')
    .toLowerCase()
}
