/**
 * Who calls over gRPC (CONTRACT §5), and what that one may do. The first of these that the caller shows counts:
 *
 * | shown | sender, and whose keys | sources (D1) | may |
 * |---|---|---|---|
 * | `authorization: Bearer`, which `authenticate` checks | `user:<sub>` | `service:user/<sub>:<source>` | what `authorize` says; without one: their own actor |
 * | a certificate of the cluster's authority | `service:<name>` | `service:<name>:<source>` | what `authorize` says; without one: all |
 * | nothing, from this machine | `service:local` | `service:local:<source>` | all |
 * | nothing, from elsewhere | refused | | |
 *
 * Who shows a token that does not hold is refused, from this machine too: they meant to be somebody.
 */
import type { ServerCall } from './rpc-site.ts'
import { parseActorId } from '../../actors/actor-id.ts'
import type { Action, App, Identity } from '../../actors/define.ts'
import type { Log } from '../../base/log.ts'
import { fail, type Failure } from '../../errors.ts'
import type { Auth, AuthOutcome } from '../auth.ts'
import { qualifiedKey } from '../requests.ts'
import { Rights } from '../rights.ts'
import { serviceName } from './certificate.ts'

export interface Caller {
  readonly ok: true
  readonly sender: string
  readonly expiresAt: number | undefined
  /** The actor's name, if the caller may. An empty name is the caller's own actor. */
  target(action: Action, actor: string, name: string): string | Failure
  source(name: string): string
  key(name: string): string
}

/** Said of a call that came through a proxy: it is not from this machine, though its last step is. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip'] as const
const LOCAL = 'local'

export class Callers {
  readonly #auth: Auth
  readonly #rights: Rights
  /** Of callers that are known to be services. */
  readonly #serviceRights: Rights
  readonly #local: Caller

  constructor(app: App, auth: Auth, log: Log) {
    this.#auth = auth
    this.#rights = new Rights(app, log)
    const all = new Rights({ ...app, authorize: () => true }, log)
    this.#serviceRights = app.authorize === undefined ? all : this.#rights
    this.#local = service(LOCAL, all)
  }

  of(call: ServerCall): Caller | Failure | Promise<Caller | Failure> {
    const shown = call.metadata.get('authorization')
    if (shown.length > 0) return this.#bearer(call, shown)
    const { sslPeerCertificate } = call.getAuthContext()
    if (sslPeerCertificate !== undefined) {
      const name = serviceName(sslPeerCertificate)
      if (name === null)
        return fail('unauthenticated', 'the certificate names nobody: it needs the name URI:troupe:service:NAME, or a common name')
      return service(name, this.#serviceRights)
    }
    if (isLocal(call)) return this.#local
    return fail('unauthenticated', 'from other machines: show a client certificate of the cluster, or `authorization: Bearer TOKEN`')
  }

  #bearer(call: ServerCall, shown: readonly (string | Buffer)[]): Caller | Failure | Promise<Caller | Failure> {
    const token = shown.length === 1 ? /^bearer +(.+)$/i.exec(String(shown[0]))?.[1]?.trim() : undefined
    if (token === undefined) return fail('unauthenticated', '`authorization` must be one `Bearer TOKEN`')
    const headers: Record<string, string> = Object.create(null) as Record<string, string>
    for (const [name, value] of Object.entries(call.metadata.getMap())) if (typeof value === 'string') headers[name] = value
    const outcome = this.#auth.authenticate({ token, headers, query: {}, address: addressOf(call), transport: 'grpc' })
    const judge = (judged: AuthOutcome): Caller | Failure => (judged.ok ? user(judged.who, this.#rights) : judged)
    return outcome instanceof Promise ? outcome.then(judge) : judge(outcome)
  }
}

function user(who: Identity, rights: Rights): Caller {
  const { sub, expiresAt } = who
  return {
    ok: true,
    sender: `user:${sub}`,
    expiresAt,
    target: (action, actor, name) =>
      actor === '' && who.actor === undefined ? NO_ACTOR : rights.target(who, action, actor === '' ? undefined : actor, name),
    // A name of a certificate has no `/` here, so no user can take the numbers of a service, whatever `sub` they get.
    source: (name) => `service:user/${escaped(sub)}:${name}`,
    key: (name) => qualifiedKey(sub, name),
  }
}

function service(name: string, rights: Rights): Caller {
  const sender = `service:${name}`
  const who: Identity = { sub: sender, claims: { service: name } }
  return {
    ok: true,
    sender,
    expiresAt: undefined,
    target: (action, actor, what) => {
      if (actor === '') return NO_ACTOR
      const id = parseActorId(actor)
      return 'wrong' in id ? fail('invalid', id.wrong) : rights.target(who, action, actor, what)
    },
    source: (source) => `service:${escaped(name).replaceAll('/', '%2F')}:${source}`,
    key: (key) => qualifiedKey(sender, key),
  }
}

const NO_ACTOR = fail('invalid', '`actor` is missing: type/key')

/** So that the name ends at the next colon. */
function escaped(name: string): string {
  return name.replaceAll('%', '%25').replaceAll(':', '%3A')
}

function isLocal(call: ServerCall): boolean {
  const address = addressOf(call)
  if (address !== '::1' && !/^(::ffff:)?127(\.\d{1,3}){3}$/i.test(address)) return false
  return !FORWARDED.some((name) => call.metadata.get(name).length > 0)
}

/** grpc-js names the other end `127.0.0.1:50000`, and `::1:50000`. */
function addressOf(call: ServerCall): string {
  return call.getPeer().replace(/:\d+$/, '')
}
