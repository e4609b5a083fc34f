/**
 * The child of `dev`: one life of the node, so that a change of any module starts from an empty module cache. Hidden; speaks
 * with its parent over the process channel (dev-channel.ts) and goes when the parent goes.
 */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { RunningNode } from '../../node.ts'
import { loadApp } from '../app-module.ts'
import type { FromDevNode, ToDevNode } from '../dev-channel.ts'
import { lineOf, misused } from '../failure.ts'
import { logFor } from '../pretty-log.ts'
import { goOnUnheard, type Terminal } from '../terminal.ts'

export function devNodeCommand(program: Command, terminal: Terminal): void {
  program.command('dev-node', { hidden: true }).action(() => devNode(terminal))
}

async function devNode(terminal: Terminal): Promise<void> {
  goOnUnheard()
  if (process.send === undefined) throw misused("'dev-node' is a part of 'troupe dev'")
  // Also what is asked while the node still starts must be heard.
  let node: RunningNode | undefined
  let drains = 0
  let over = false
  const drain = (): void => {
    drains += 1
    if (drains === 1) void node?.drain()
    else void node?.stop()
  }
  const order = await new Promise<Extract<ToDevNode, { kind: 'start' }>>((ordered) => {
    process.on('message', (message: ToDevNode) => (message.kind === 'start' ? ordered(message) : drain()))
    // Its parent was killed and not asked to end: nobody would stop this node any more, and the ports are wanted by the next.
    process.on('disconnect', () => void (drains === 0 && !over ? process.kill(process.pid, 'SIGKILL') : drain()))
  })
  try {
    const { app, dir } = await loadApp(order.app)
    // Not at the top: the other commands start faster without the parts of a node.
    const { startNode } = await import('../../node.ts')
    const log = logFor(terminal, order.config.node ?? 'node-1', order.logLevel, true)
    try {
      node = await startNode({ ...order.config, app, appDir: dir, mode: 'dev', log })
    } catch (error) {
      return tell({ kind: 'failed', of: 'node', message: lineOf(error), stack: stackOf(error) })
    }
    // Not before: a start that hangs in the app or the file system can be ended only as long as nobody takes the signal. From here on the
    // parent decides, to which a terminal sends Ctrl-C as well.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tell({ kind: 'signalled' }))
    if (drains > 0) void node.drain()
    tell({
      kind: 'ready',
      clientUrl: node.clientUrl ?? '',
      rpcAddress: node.rpcAddress,
      adminUrl: node.adminUrl,
      files: app.files === undefined ? null : resolve(dir, app.files),
    })
    await node.closed
  } catch (error) {
    tell({ kind: 'failed', of: 'app', message: lineOf(error), stack: stackOf(error) })
  } finally {
    over = true
    if (process.connected) process.disconnect()
  }
}

function tell(message: FromDevNode): undefined {
  if (process.connected) process.send?.(message)
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return (error.cause instanceof Error ? error.cause.stack : error.stack) ?? error.message
}
