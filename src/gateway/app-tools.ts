/** What an app's own HTTP routes can use (CONTRACT §1, `routes`): actors as `service:app`, without `authorize`. */
import type { SendCall } from '../actors/calls.ts'
import type { AppTools } from '../actors/define.ts'
import { dataOf, jsonOf } from '../actors/recorded.ts'
import { type Failure, TroupeError } from '../errors.ts'
import { kickHere } from './kick.ts'
import { qualifiedKey } from './requests.ts'
import type { Site } from './site.ts'

const APP = 'service:app'

/** Promises reject with TroupeError. */
export function appTools(site: Site): AppTools {
  return {
    send: (actor, type, data, { key, timeoutMs } = {}) =>
      new Promise((resolve, reject) => {
        const call: SendCall = {
          actor,
          type,
          data: asFolded(data, type),
          sender: APP,
          ...(key !== undefined && { key: qualifiedKey(APP, key) }),
          ...(timeoutMs !== undefined && { timeoutMs }),
        }
        site.calls.send(call, (outcome) => {
          if (outcome.ok) resolve({ offset: outcome.offset, duplicate: outcome.duplicate })
          else reject(errorOf(outcome))
        })
      }),
    query: (actor, name, args, { strict } = {}) =>
      new Promise((resolve, reject) =>
        site.calls.query({ actor, name, args, ...(strict !== undefined && { strict }) }, (outcome) => {
          if (outcome.ok) resolve(JSON.parse(outcome.json) as unknown)
          else reject(errorOf(outcome))
        }),
      ),
    sockets: (actor) => site.live.presence.count(actor),
    connected: (actor) => site.everywhere?.sockets(actor) ?? Promise.resolve(site.live.presence.count(actor)),
    kick: (who, options = {}) => {
      const kick = { who, ...options }
      return site.everywhere?.kick(kick) ?? Promise.resolve(kickHere(site, kick))
    },
    authenticate: async (request) => {
      const outcome = await site.auth.authenticate(request)
      if (outcome.ok) return outcome.who
      if (outcome.code === 'unauthenticated' || outcome.code === 'expired') return null
      throw errorOf(outcome)
    },
  }
}

/**
 * The data as a fold will see it: a reducer must not see a Date, or an object that its route still holds and changes, where the journal
 * has a text. Bytes stay bytes. Throws `invalid` for what JSON cannot carry.
 */
function asFolded(data: unknown, type: string): unknown {
  if (data === undefined) return undefined
  if (data instanceof Uint8Array) return new Uint8Array(data)
  try {
    return dataOf(JSON.parse(jsonOf(data, type)))
  } catch (error) {
    throw new TroupeError('invalid', `the data of '${type}' is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function errorOf({ code, message, retryAfterMs, reason, next }: Failure): TroupeError {
  return new TroupeError(code, message, {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(reason !== undefined && { reason }),
    ...(next !== undefined && { next }),
  })
}
