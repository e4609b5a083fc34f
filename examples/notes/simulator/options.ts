/** What a run of the simulator does: sizes, rates, limits. */
export interface SimulatorOptions {
  /** `http://HOST:PORT` of the client ports of one cluster, used in turn. */
  readonly urls: readonly string[]
  /** Token of the provider `sim` (tokens.ts). */
  readonly providerToken: string
  /** Names this run's items, so that several runs on one store are audited apart. */
  readonly run: string
  readonly users: number
  /** Notes loaded before the live phase. */
  readonly notes: number
  /** Notes a second that the provider adds in the live phase, open loop. */
  readonly rate: number
  /** Clients that page at random users over HTTP. */
  readonly clients: number
  /** Pages a second of all clients together, open loop, exponential gaps. */
  readonly pageRate: number
  /** People with a socket, who follow their own feed, and add, edit and delete. At most `users`. */
  readonly sockets: number
  /** Notes a second that they add together. */
  readonly addRate: number
  readonly durationS: number
  /** How long a request is repeated through an outage before it is given up. */
  readonly patienceS: number
  readonly seed: number
  /** Whether every user is read back in the end. */
  readonly audit: boolean
  /** Traffic begins with the first user, not when all are registered: something moves at once. Only where there is nothing to load. */
  readonly early: boolean
  /** A pass is no failure and no send that the SDK gave up, beside what is audited. */
  readonly strict: boolean
}

export type SimulatorSizes = Omit<SimulatorOptions, 'urls' | 'providerToken' | 'run'>

/** PRODUCT's: 10,000 users, 1,000,000 notes, 1,000 notes/s, 1,000 clients. */
export const FULL: SimulatorSizes = {
  users: 10_000,
  notes: 1_000_000,
  rate: 1000,
  clients: 1000,
  pageRate: 200,
  sockets: 100,
  addRate: 10,
  durationS: 120,
  patienceS: 120,
  seed: 1,
  audit: true,
  early: false,
  strict: false,
}

/** The one beside `npm start`: a little life for the page. Ends by itself after four hours. */
export const SMALL: SimulatorSizes = {
  users: 20,
  notes: 0,
  rate: 10,
  clients: 5,
  pageRate: 5,
  sockets: 10,
  addRate: 1,
  durationS: 4 * 3600,
  patienceS: 120,
  seed: 1,
  audit: false,
  early: true,
  strict: false,
}
