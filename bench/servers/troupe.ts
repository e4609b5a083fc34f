/**
 * Our side: one node in mode `start` on the embedded store, as `troupe start` runs it.
 * Arguments: data directory, `memory:`, or the URL of a MongoDB; options of the node as JSON, if any.
 */
import { startNode, type NodeConfig } from '../../src/node.ts'
import { serveParent } from '../harness/child.ts'
import { benchApp } from './app.ts'

const [store, optionsJson = '{}'] = process.argv.slice(2) as [string, string?]
const node = await startNode({
  app: benchApp,
  node: 'bench-1',
  listen: '127.0.0.1:0',
  adminListen: null,
  store: store === 'memory:' || store.startsWith('mongodb') ? store : `sqlite:${store}`,
  mode: 'start',
  options: JSON.parse(optionsJson) as NonNullable<NodeConfig['options']>,
})
serveParent(
  { ports: [Number(new URL(node.clientUrl as string).port)], pids: {} },
  { recorded: () => node.engine.stats().counters['events'] ?? 0, counters: () => node.engine.stats() },
  () => node.stop(),
)
