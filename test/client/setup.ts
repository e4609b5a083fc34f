/** A client of a model server, both on one virtual clock. */
import { type Client, connect, type ConnectOptions } from '../../src/client/index.ts'
import { seeded } from '../../src/base/random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { ModelServer } from './model-server.ts'

export interface Setup {
  readonly clock: VirtualClock
  readonly server: ModelServer
  readonly client: Client
  /** Runs until the client is open. */
  open(): Promise<void>
}

export function setup(options: ConnectOptions = {}, seed: string | number = 1): Setup {
  const clock = new VirtualClock()
  const server = new ModelServer(clock)
  const client = connect('ws://model', {
    token: 'token',
    transport: server.transport,
    clock,
    random: seeded(seed),
    wakeups: () => () => undefined,
    ...options,
  })
  return { clock, server, client, open: () => clock.until(() => client.state === 'open', 60_000, 'state open') }
}

/** What became of a promise, to look at without awaiting. */
export interface Watched<T> {
  state: 'pending' | 'resolved' | 'rejected'
  value?: T
  code?: string
  message?: string
}

export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = { state: 'pending' }
  promise.then(
    (value) => {
      watched.state = 'resolved'
      watched.value = value
    },
    (error: { code: string; message: string }) => {
      watched.state = 'rejected'
      watched.code = error.code
      watched.message = error.message
    },
  )
  return watched
}
