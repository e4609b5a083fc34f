/**
 * P6's program: one node that only activates actors, called in process, so that heap holds activations and nothing else of size.
 * The actors have no state of their own. With the embedded store what is durable lies outside the heap.
 * Argument: data directory, or `memory:`.
 */
import { actor, app } from '../../src/actors/define.ts'
import { startNode } from '../../src/node.ts'
import { serveParent } from '../harness/child.ts'

const NONE = Object.freeze({})
const OUTSTANDING = 512
const DAY_MS = 86_400_000

const idle = actor('idle', {
  state: () => NONE,
  events: { ev: { reduce: (state, _data: unknown) => state } },
  queries: { nothing: () => null },
  idleMs: DAY_MS,
})
const store = process.argv[2] as string
const node = await startNode({
  app: app({ actors: { idle }, authenticate: () => null }),
  node: 'bench-1',
  listen: '127.0.0.1:0',
  adminListen: null,
  store: store === 'memory:' ? store : `sqlite:${store}`,
  mode: 'start',
})

serveParent(
  { ports: [], pids: {} },
  {
    /** Touches actors `from` … `to` − 1 once each, with a query or an event. Resolves with how many are active then. */
    activate: ({ from, to, by }: { from: number; to: number; by: 'query' | 'event' }): Promise<number> => {
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      let next = from
      let done = 0
      const more = (): void => {
        if (next >= to) return
        const number = next++
        const id = `idle/${number}`
        const answered = (outcome: { readonly ok: boolean }): void => {
          if (!outcome.ok) return reject(new Error(JSON.stringify(outcome)))
          if (++done === to - from) resolve(node.engine.stats().activations)
          else setImmediate(more)
        }
        if (by === 'query') node.calls.query({ actor: id, name: 'nothing', args: null }, answered)
        else
          node.calls.send(
            { actor: id, type: 'ev', data: 1, sender: `user:${number}`, source: `session:${number}`, seq: 1, base: 1 },
            answered,
          )
      }
      for (let i = 0; i < OUTSTANDING; i++) more()
      return promise
    },
  },
  () => node.stop(),
)
