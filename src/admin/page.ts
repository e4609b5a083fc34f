/** The page at `/` of the admin port: how this node is, in one screen, without scripts from elsewhere. */
import type { Stats } from './recorder.ts'
import type { AdminParts } from './parts.ts'

export function page(parts: AdminParts, stats: Stats, storeSummary: string): string {
  const { node } = parts
  const rows: readonly (readonly [string, string | number])[] = [
    ['phase', stats.phase],
    ['generation', node.generation],
    ['client address', node.address],
    ['version', node.version],
    ['up for', `${Math.round(stats.uptimeMs / 1000)} s`],
    ['actor types', node.types.join(', ')],
    ['actors in memory', stats.activations],
    ['events waiting', stats.pendingEvents],
    ['sockets', stats.sockets],
    ['bytes in / out since start', `${stats.totals['gateway.bytesIn'] ?? 0} / ${stats.totals['gateway.bytesOut'] ?? 0}`],
    ['events since start', stats.totals['events'] ?? 0],
    ['send latency p50 / p99', `${milliseconds(stats.latency.p50Ms)} / ${milliseconds(stats.latency.p99Ms)}`],
    ['store', storeSummary],
  ]
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="5">
<title>${escape(node.id)} · Troupe</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; color: CanvasText; background: Canvas; color-scheme: light dark }
  th { text-align: left; font-weight: 500; padding-right: 2rem; vertical-align: top }
  td, th { padding-block: .2rem }
</style>
<h1>${escape(node.id)}</h1>
<table>
${rows.map(([name, value]) => `<tr><th scope="row">${escape(name)}</th><td>${escape(String(value))}</td></tr>`).join('\n')}
</table>
<p><a href="/metrics">metrics</a> · <a href="/v1/stats">stats</a> · <a href="/v1/nodes">nodes</a> · <a href="/readyz">ready?</a></p>
</html>
`
}

function milliseconds(ms: number | null): string {
  return ms === null ? 'none yet' : `${ms < 10 ? ms.toFixed(2) : Math.round(ms)} ms`
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
