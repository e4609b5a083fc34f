/** The process behind mongo-process.ts. */
import type { Done, Order, Told } from './mongo-process.ts'
import { MongoServer } from './mongo-server.ts'

const server = await MongoServer.start()
let commands = 0
let dropped = 0
// Beside the faults of a test: counts, and keeps nothing, for this server lives long.
server.faults.always(() => {
  commands++
  server.seen.length = 0
  return null
})

async function run(order: Order): Promise<void> {
  switch (order.do) {
    case 'stepDown':
      return server.stepDown(order)
    case 'killPrimary':
      return server.killPrimary(order)
    case 'away':
      return server.away()
    case 'back':
      return server.back()
    case 'dropAnswers': {
      const fault = { answer: 'drop', after: () => void dropped++ } as const
      return server.faults.first(({ name, collection }) => name === 'insert' && collection === 'batches', fault, order.times)
    }
    case 'count':
      return
    case 'close':
      return server.close()
  }
}

process.on('message', ({ id, order }: Told) => {
  const answer = (done: Done): void => void process.send?.(done)
  run(order).then(
    () => answer({ id, commands, dropped }),
    (error: unknown) => answer({ id, failed: String(error) }),
  )
})
process.on('disconnect', () => process.exit(0))
process.send?.(server.url())
