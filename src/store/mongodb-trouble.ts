/** What the driver's and the server's errors mean to a caller: was anything sent, may it be applied, and what should a person do (S7)? */
import { MongoError, MongoNetworkError, MongoServerError, MongoServerSelectionError, MongoWriteConcernError } from 'mongodb'
import { StoreError, type StoreTrouble } from './store.ts'

/**
 * 'unsent': nothing left this process. 'rejected': the server said no to the whole command and never will say yes to it as it is.
 * 'doubt': it may have been applied, or applied on a primary that loses it again.
 */
export type Failure = 'unsent' | 'rejected' | 'doubt'

/** Thrown before a command is written to a socket. */
const UNSENT = new Set([
  'MongoServerSelectionError',
  'MongoWaitQueueTimeoutError',
  'MongoPoolClearedError',
  'MongoPoolClosedError',
  'MongoNotConnectedError',
])

/** Answers to a whole command that say that nothing of it was done: rights, and commands that this server does not have. */
const REJECTED = new Set([13, 18, 20, 26, 59, 8000])

/** Of one document: not applied, but will be soon: the primary went, or is going. */
const PASSING = new Set([91, 189, 10107, 11600, 11602, 13435, 13436, 10058])

export const DUPLICATE_KEY = 11000

export function failureOf(error: unknown): Failure {
  if (!(error instanceof MongoError)) return 'doubt'
  if (UNSENT.has(error.name) || error.hasErrorLabel('HandshakeError')) return 'unsent'
  // So the driver marks a connection that could not be made, and a server one that it turned away before doing anything.
  if (error.hasErrorLabel('SystemOverloadedError') && error.hasErrorLabel('RetryableError')) return 'unsent'
  if (error instanceof MongoServerError && !(error instanceof MongoWriteConcernError) && REJECTED.has(Number(error.code))) return 'rejected'
  return 'doubt'
}

export function isPassing(code: number): boolean {
  return PASSING.has(code)
}

/** One line for a person, without secrets. `outcome` as failureOf says; what only read was certainly not applied. */
export function storeErrorOf(
  error: unknown,
  place: string,
  redact: (text: string) => string,
  outcome: 'refused' | 'unknown' = 'refused',
): StoreError {
  if (error instanceof StoreError) return error
  const said = redact(error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ')
  const trouble = (reason: StoreTrouble, what: string): StoreError => new StoreError(outcome, reason, `${place}: ${what} (${said})`)
  const code = error instanceof MongoServerError ? Number(error.code) : 0
  if (code === 18 || code === 8000)
    return trouble('readonly', 'user or password is wrong. Check both, and authSource= in the connection string')
  if (code === 13) return trouble('readonly', 'this user may not do that. Give it the role readWrite on the database')
  if (code === 14031) return trouble('full', 'the server’s disk is full. Make space there; the store goes on by itself')
  if (error instanceof MongoServerSelectionError) return trouble('lost', `no primary answers. ${adviceOf(said)}`)
  if (error instanceof MongoError && error.name === 'MongoWaitQueueTimeoutError')
    return trouble('busy', 'all connections are in use. The server is slow, or poolSize is too small')
  if (error instanceof MongoNetworkError) return trouble('lost', 'the connection was lost. The store goes on when the server answers again')
  return trouble('io', 'the server did not do it')
}

function adviceOf(said: string): string {
  if (/self-signed|certificate|TLS|SSL/i.test(said)) return 'Check tls=, tlsCAFile= and the certificate’s names'
  if (/ENOTFOUND|EAI_AGAIN/.test(said)) return 'Check the host names in the connection string'
  if (/ECONNREFUSED/.test(said)) return 'Check host and port, and that mongod runs there'
  if (/Authentication|auth/i.test(said)) return 'Check user and password, and authSource= in the connection string'
  return 'Check that the hosts can be reached, replicaSet= is its name, and a majority of its members is up'
}
