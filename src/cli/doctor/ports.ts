/** Whether the ports that a node would listen on are free. */
import { createServer } from 'node:http'
import { systemClock } from '../../base/system.ts'
import { parseAddress } from '../../node/address.ts'
import { closeServer, listen } from '../../node/listeners.ts'
import { StartError } from '../../node/start-error.ts'
import { lineOf } from '../failure.ts'
import { fail, ok, warn, type Finding } from './finding.ts'

export async function portFree(what: string, text: string, option: string): Promise<Finding> {
  const check = `${what} port`
  const address = parseAddress(text)
  if ('wrong' in address) return fail(check, text, address.wrong)
  const server = createServer()
  try {
    const bound = await listen(server, address, what, option)
    return ok(check, `${text} is free${address.port === 0 ? ` (any: ${bound})` : ''}`)
  } catch (error) {
    // A node that runs already has its ports: that is no fault.
    if (error instanceof StartError && error.unbound?.inUse === true) return warn(check, `${text} is not free`, lineOf(error))
    return fail(check, `${text} cannot be listened on`, lineOf(error))
  } finally {
    await closeServer(server, systemClock, 0)
  }
}
