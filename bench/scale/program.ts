/** The scale bench's program: one protocol at one size, in a process of its own; thousands of nodes need gigabytes. */
import { serveParent } from '../harness/child.ts'
import { measure, type Plan, type Protocol } from './measures.ts'

serveParent(
  { ports: [], pids: {} },
  {
    measure: ({ protocol, plan, seed }: { readonly protocol: Protocol; readonly plan: Plan; readonly seed: string }) =>
      measure(protocol, plan, seed),
  },
)
