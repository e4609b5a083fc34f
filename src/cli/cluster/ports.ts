/**
 * Whether the ports of all nodes are free, before any starts: with some of them taken by another cluster, the nodes that did start would
 * meet its nodes, of the same names, and say much that is not the matter.
 */
import { createServer } from 'node:http'
import { systemClock } from '../../base/system.ts'
import { parseAddress } from '../../node/address.ts'
import { closeServer, listen } from '../../node/listeners.ts'
import { StartError } from '../../node/start-error.ts'
import { failed } from '../failure.ts'
import type { NodeSpec } from './supervisor.ts'

/** Rejects with the first port that is in use. What else may be wrong with an address, its node says. `by`: the flag that its user can change. */
export async function portsFree(specs: readonly NodeSpec[], by: string): Promise<void> {
  for (const { name, args } of specs)
    for (const [flag, what] of [
      ['--listen', 'client'],
      ['--rpc-listen', 'rpc'],
      ['--admin-listen', 'admin'],
    ] as const) {
      const address = parseAddress(args[args.indexOf(flag) + 1] ?? '')
      if ('wrong' in address) continue
      const server = createServer()
      try {
        await listen(server, address, what, flag)
      } catch (error) {
        if (!(error instanceof StartError) || error.unbound?.inUse !== true) continue
        throw failed(`${name} cannot start: ${error.message.replace(new RegExp(`${flag}( \\(port 0 = any\\))?`), by)}`, error)
      } finally {
        await closeServer(server, systemClock, 0)
      }
    }
}
