/** Requests to a running node over HTTP: the client port as a user, or the admin port as the operator. */
import type { ActorId } from '../actors/actor-id.ts'
import type { WireError } from '../errors.ts'
import { failed, lineOf, misused, type CliError } from './failure.ts'
import type { TalkFlags } from './flags.ts'

const CLIENT_URL = 'http://127.0.0.1:7000'
const ADMIN_URL = 'http://127.0.0.1:7200'

export interface Target {
  /** Without a slash at the end. */
  readonly base: string
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

/** Where to ask about an actor (see TALKING_HELP). */
export async function actorTarget(flags: TalkFlags, actor: ActorId): Promise<Target> {
  const { url, token } = flags
  if (url === undefined && token === undefined) return adminTarget(flags)
  const target = targetOf(flags, CLIENT_URL, token ?? ownToken(actor))
  // The operator may have the admin token in the environment for good, and ask as a user all the same.
  if (token === undefined && flags.adminToken !== undefined && (await isAdminPort(target)))
    return targetOf(flags, CLIENT_URL, flags.adminToken)
  return target
}

/** Where to ask what only the admin port knows. */
export async function adminTarget(flags: TalkFlags): Promise<Target> {
  const target = targetOf(flags, ADMIN_URL, flags.adminToken ?? flags.token)
  if (flags.adminToken !== undefined && !(await isAdminPort(target)))
    throw failed(
      `${target.base} is not the admin port of a node, so the admin token was not sent there; name the admin port with --url, as in ${ADMIN_URL}`,
    )
  return target
}

function targetOf({ url, timeout }: TalkFlags, otherwise: string, token: string | undefined): Target {
  return { base: baseOf(url ?? otherwise), headers: bearer(token), timeoutMs: timeout }
}

/** Asked before the admin token goes anywhere, and without it: a client port is often another machine's, behind proxies that log what they see. */
async function isAdminPort(target: Target): Promise<boolean> {
  const response = await answerOf({ ...target, headers: {} }, `${target.base}/livez`, { redirect: 'manual' })
  const said: unknown = response.ok ? await response.json().catch(() => null) : null
  return (said as { port?: unknown } | null)?.port === 'admin'
}

export function actorPath({ type, key }: ActorId): string {
  return `/v1/actors/${encodeURIComponent(type)}/${encodeURIComponent(key)}`
}

/** The address as people copy it from the listener line: ws and wss are http and https, a path is dropped. */
function baseOf(text: string): string {
  const given = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`
  if (!URL.canParse(given)) throw misused(`--url: '${text}' is not an address; write it as ${CLIENT_URL}`)
  const url = new URL(given.replace(/^ws/i, 'http'))
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw misused(`--url: '${text}' must be http, https, ws or wss`)
  return url.origin
}

function ownToken({ key }: ActorId): string | undefined {
  return isHeaderText(key) ? `dev:${key}` : undefined
}

function bearer(token: string | undefined): Record<string, string> {
  if (token === undefined) return {}
  if (!isHeaderText(token)) throw misused('--token: a token is printable ASCII')
  return { authorization: `Bearer ${token}` }
}

function isHeaderText(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text)
}

export async function getJson(target: Target, path: string): Promise<unknown> {
  return (await request(target, path, {})).json()
}

export async function postJson(target: Target, path: string, body: unknown): Promise<unknown> {
  const headers = { 'content-type': 'application/json' }
  return (await request(target, path, { method: 'POST', headers, body: JSON.stringify(body) })).json()
}

interface Asked extends Pick<RequestInit, 'method' | 'body' | 'signal' | 'redirect'> {
  readonly headers?: Readonly<Record<string, string>>
}

/** The answer, if it is a good one; else a CliError that says what to do. */
export async function request(target: Target, path: string, asked: Asked): Promise<Response> {
  const response = await answerOf(target, `${target.base}${path}`, asked)
  if (response.ok) return response
  throw await refusal(target, response)
}

async function answerOf(target: Target, url: string, { headers, ...init }: Asked): Promise<Response> {
  try {
    const signal = init.signal ?? AbortSignal.timeout(target.timeoutMs)
    return await fetch(url, { ...init, signal, headers: { ...target.headers, ...headers } })
  } catch (error) {
    throw unreachable(target, error)
  }
}

function unreachable(target: Target, error: unknown): CliError {
  if (error instanceof Error && error.name === 'TimeoutError')
    return failed(`${target.base} did not answer within ${target.timeoutMs} ms; is it a Troupe node? Wait longer with --timeout`, error)
  const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined
  const why = cause?.code === 'ECONNREFUSED' ? 'nothing listens there' : lineOf(cause ?? error)
  return failed(`cannot reach ${target.base}: ${why}; start a node with 'troupe dev app.ts' or name another with --url`, error)
}

async function refusal(target: Target, response: Response): Promise<CliError> {
  const body: unknown = await response.json().catch(() => undefined)
  const error = (body as { error?: WireError } | undefined)?.error
  if (typeof error?.code !== 'string')
    return failed(`${target.base} answered ${response.status} ${response.statusText}; is it a Troupe node?`)
  const reason = error.reason === undefined ? '' : ` (${error.reason})`
  return failed(`${error.code}${reason}: ${error.message}${advice(error.code, target.headers['authorization'])}`)
}

/** A token that somebody chose is answered by the node alone: to give one is no advice any more. */
function advice(code: string, authorization: string | undefined): string {
  const chosen = authorization !== undefined && !authorization.startsWith('Bearer dev:')
  if (code === 'unauthenticated' && !chosen)
    return "; a user gives --token ('troupe token --help' tells how to make one), the operator --admin-token or TROUPE_ADMIN_TOKEN"
  if (code === 'denied') return '; give the --token of a user who may, or go to the admin port as the operator (no --url, no --token)'
  return ''
}
