import { expect, it } from 'vitest'
import { transportContract } from './contract.ts'
import { Ears } from './ear.ts'
import { grpcNet, grpcNode, until } from './grpc-net.ts'

transportContract('gRPC', grpcNet)

it('T5 every wire has a connection of its own, and it goes with the wire', async () => {
  const [a, b] = [await grpcNode('a'), await grpcNode('b')]
  const ears = new Ears()
  ears.listen(b.transport)
  const dialled = [ears.dial(a.transport, b.address, 'data'), ears.dial(a.transport, b.address, 'gossip')]
  await until(() => dialled.every((ear) => ear.peer !== null), 'they open')
  expect(b.proxy.connections).toBe(2)
  dialled[0]?.close()
  await until(() => b.proxy.connections === 1, 'one is gone')
  expect(dialled[1]?.end).toBeNull()
  dialled[1]?.close()
  await until(() => b.proxy.connections === 0, 'both are gone')
  await Promise.all([a.stop(), b.stop()])
  ears.check()
})
