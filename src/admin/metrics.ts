/**
 * `/metrics` in the Prometheus text format. Figures that live elsewhere (engine, gateway, store) are copied at each scrape;
 * nothing on the hot path touches prom-client. Names: troupe_…, counters end in _total, units in the name.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import { figuresText, snake, type Figure, type Sample } from './figures.ts'
import { LATENCY_BUCKETS, latencyBoundMs, type LatencyHistogram } from './latency.ts'
import type { AdminParts } from './parts.ts'

/** Of the process, not of a node: several nodes of one process share it. Made on the first scrape. */
let processRegistry: Registry | null = null

export class Metrics {
  readonly #parts: AdminParts
  readonly #registry = new Registry()
  readonly #made = new Map<string, Counter | Gauge>()

  constructor(parts: AdminParts) {
    this.#parts = parts
    this.#registry.setDefaultLabels({ node: parts.node.id })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  async text(): Promise<string> {
    const { engine, gateway, store, node, phase, latency, members } = this.#parts
    const { activations, pendingEvents, counters } = engine.stats()
    const sockets = gateway()
    const health = await store.health()
    this.#gauge('troupe_up', '1 while the node serves, 0 while it starts or drains.', phase() === 'serving' ? 1 : 0)
    this.#gauge('troupe_generation', 'Generation of the node, from the store.', node.generation)
    this.#gauge('troupe_activations', 'Actors in memory.', activations)
    this.#gauge('troupe_pending_events', 'Events that wait for a turn or for the store.', pendingEvents)
    this.#gauge('troupe_sockets', 'Open client sockets.', sockets.sockets)
    this.#gauge('troupe_unauthenticated_sockets', 'Of these, those that have not been let in yet.', sockets.unauthenticated)
    this.#gauge('troupe_store_ok', '1 when the store says that it is well.', health.ok ? 1 : 0)
    for (const [name, value] of Object.entries(counters)) {
      if (name.startsWith('claims')) continue
      if (name === 'fenced') this.#counter('troupe_fenced_appends_total', 'Appends that lost their place to another owner.', value)
      else this.#counter(`troupe_${snake(name)}_total`, `Engine: ${name}.`, value)
    }
    for (const [name, value] of Object.entries(sockets.counters))
      this.#counter(`troupe_gateway_${snake(name)}_total`, `Gateway: ${name}.`, value)
    for (const [name, value] of Object.entries(health.counters)) this.#gauge(`troupe_store_${snake(name)}`, `Store: ${name}.`, value)
    const figures = [claims(counters), ...members.metrics()]
    return (await this.#registry.metrics()) + figuresText(figures, node.id) + latencyText(latency, node.id) + (await processMetrics())
  }

  #gauge(name: string, help: string, value: number): void {
    const gauge = (this.#made.get(name) as Gauge | undefined) ?? new Gauge({ name, help, registers: [this.#registry] })
    this.#made.set(name, gauge)
    gauge.set(value)
  }

  #counter(name: string, help: string, value: number): void {
    const counter = (this.#made.get(name) as Counter | undefined) ?? new Counter({ name, help, registers: [this.#registry] })
    this.#made.set(name, counter)
    counter.reset()
    counter.inc(value)
  }
}

/** H3: the engine counts each durable claim once, under its cause. */
function claims(counters: Readonly<Record<string, number>>): Figure {
  const samples: Sample[] = Object.entries(counters).flatMap(([name, value]) => {
    const cause = /^claims([A-Z]\w*)$/.exec(name)?.[1]
    return cause === undefined ? [] : [{ labels: { cause: snake(cause) }, value }]
  })
  const help = 'Times that this node took an actor over in its journal, by cause.'
  return { kind: 'counter', name: 'troupe_claims_total', help, samples }
}

async function processMetrics(): Promise<string> {
  if (processRegistry === null) {
    processRegistry = new Registry()
    collectDefaultMetrics({ register: processRegistry })
  }
  return processRegistry.metrics()
}

/** By hand, for a Histogram of prom-client can only be fed one observation at a time. Every fourth bound: an octave. */
function latencyText(latency: LatencyHistogram, node: string): string {
  const name = 'troupe_send_seconds'
  const label = `node="${node.replace(/[\\"\n]/g, '_')}"`
  const lines = [`# HELP ${name} Time from an event's arrival to its answer.`, `# TYPE ${name} histogram`]
  let seen = 0
  for (let bucket = 0; bucket < LATENCY_BUCKETS - 1; bucket++) {
    seen += latency.counts[bucket] as number
    if (bucket % 4 === 0) lines.push(`${name}_bucket{${label},le="${latencyBoundMs(bucket) / 1000}"} ${seen}`)
  }
  lines.push(`${name}_bucket{${label},le="+Inf"} ${latency.count}`)
  lines.push(`${name}_sum{${label}} ${latency.sumMs / 1000}`, `${name}_count{${label}} ${latency.count}`)
  return `${lines.join('\n')}\n`
}
