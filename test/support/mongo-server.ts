/**
 * A replica set of three that speaks MongoDB's protocol to the real driver, in this process: for faults that no real server has on demand
 * (mongo-faults.ts). One set of data stands for all members: what a deposed primary had not replicated is rolled back (mongo-data.ts).
 *
 *  - Only the primary takes writes and reads; others answer NotWritablePrimary, as a server does to a driver whose picture is old.
 *  - A repeat of the driver's (same session and number) gets the first answer and is not applied again.
 *  - It is strict where a lenient server would hide a defect: an unknown command, operator or option is an error.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { ObjectId, type Document } from 'mongodb'
import { Commands } from './mongo-commands.ts'
import { MongoData } from './mongo-data.ts'
import { Faults, type Command, type Fault } from './mongo-faults.ts'
import { Login } from './mongo-login.ts'
import { answer, Messages, type Request } from './mongo-wire.ts'
import { listenAnywhere } from './ports.ts'

const MEMBERS = 3
const WRITES = new Set(['insert', 'update', 'delete', 'findAndModify', 'create', 'createIndexes'])

export interface MongoServerOptions {
  readonly user?: string
  readonly password?: string
  /** As a single mongod without a set says of itself. */
  readonly standalone?: true
  /** 25 is MongoDB 8.0. */
  readonly wireVersion?: number
  /** How far its clock is from this machine's. */
  readonly clockMs?: number
}

interface Member {
  server: Server
  readonly port: number
  readonly sockets: Set<Socket>
  up: boolean
}

export class MongoServer {
  readonly data: MongoData = new MongoData()
  readonly faults: Faults = new Faults()
  /** All commands of data, in order; for looking at what was asked. */
  readonly seen: Command[] = []
  readonly forbidden: Set<string> = new Set()
  readonly #options: MongoServerOptions
  readonly #commands: Commands
  readonly #members: Member[] = []
  readonly #answers = new Map<string, Document>()
  #primary: number | null = 0
  #election = 1
  #defect: Error | null = null

  private constructor(options: MongoServerOptions) {
    this.#options = options
    this.#commands = new Commands(this.data, this.forbidden)
  }

  static async start(options: MongoServerOptions = {}): Promise<MongoServer> {
    const set = new MongoServer(options)
    for (let i = 0; i < (options.standalone ? 1 : MEMBERS); i++) {
      const server = set.#serve(i)
      set.#members.push({ server, port: await listenAnywhere(server), sockets: new Set(), up: true })
    }
    return set
  }

  /** Members are looked at often, so that a test need not wait for the driver to notice. */
  url(more = ''): string {
    const hosts = this.#members.map(({ port }) => `127.0.0.1:${port}`).join(',')
    const set = this.#options.standalone ? '' : 'replicaSet=rs&'
    return `mongodb://${hosts}/troupe?${set}heartbeatFrequencyMS=20&minHeartbeatFrequencyMS=5${more}`
  }

  /** The primary gives up its office; another takes it. `lose`: what it had not replicated is gone. */
  stepDown({ lose = false }: { readonly lose?: boolean } = {}): void {
    if (lose) this.data.rollBack()
    else this.data.commit()
    this.#election++
    this.#primary = ((this.#primary ?? 0) + 1) % this.#members.length
    if (!this.#members[this.#primary]?.up) this.#primary = this.#members.findIndex(({ up }) => up)
  }

  /** The primary's process dies; another member takes over. */
  async killPrimary({ lose = false }: { readonly lose?: boolean } = {}): Promise<void> {
    const dead = this.#primary ?? 0
    await this.#down(dead)
    this.stepDown({ lose })
  }

  /** All members are away: nothing listens. */
  async away(): Promise<void> {
    await Promise.all(this.#members.map((_, i) => this.#down(i)))
  }

  async back(): Promise<void> {
    for (const [i, member] of this.#members.entries()) {
      if (member.up) continue
      member.server = this.#serve(i)
      await listening(member.server, member.port)
      member.up = true
    }
  }

  /** No member has a majority: there is no primary. */
  headless(): void {
    this.#primary = null
  }

  /** Throws what it could not serve: a test must not pass because of that. */
  async close(): Promise<void> {
    await this.away()
    if (this.#defect !== null) throw this.#defect
  }

  #broken(error: unknown, socket: Socket): void {
    this.#defect ??= error instanceof Error ? error : new Error(String(error))
    socket.destroy()
  }

  async #down(index: number): Promise<void> {
    const member = this.#members[index] as Member
    if (!member.up) return
    member.up = false
    for (const socket of member.sockets) socket.destroy()
    await new Promise<void>((resolve) => void member.server.close(() => resolve()))
  }

  #serve(index: number): Server {
    return createServer((socket) => {
      const member = this.#members[index] as Member
      member.sockets.add(socket)
      const messages = new Messages()
      const login = this.#options.user === undefined ? null : new Login(this.#options.user, this.#options.password ?? '')
      // One at a time, as a server does on one connection.
      let turn: Promise<void> = Promise.resolve()
      socket.on('data', (data) => {
        for (const request of messages.take(data))
          turn = turn.then(() => this.#answer(index, socket, login, request)).catch((error: unknown) => this.#broken(error, socket))
      })
      socket.on('error', () => undefined)
      socket.on('close', () => member.sockets.delete(socket))
    })
  }

  async #answer(index: number, socket: Socket, login: Login | null, request: Request): Promise<void> {
    const { body } = request
    const name = Object.keys(body)[0] as string
    const send = (reply: Document): void => {
      if (!request.silent && !socket.destroyed) socket.write(answer(request, reply))
    }
    const own = this.#own(index, name, body, login)
    if (own !== null) return send(own)
    if (login !== null && !login.done)
      return send({ ok: 0, code: 13, codeName: 'Unauthorized', errmsg: `command ${name} requires authentication` })
    if (index !== this.#primary)
      return send({ ok: 0, code: 10107, codeName: 'NotWritablePrimary', errmsg: 'not primary', ...labels(['RetryableWriteError']) })
    const command: Command = { name, body, collection: String(body[name]) }
    this.seen.push(command)
    const fault = this.faults.of(command)
    await fault?.before?.()
    const reply = this.#apply(index, command, fault)
    await fault?.after?.()
    if (fault?.answer === 'drop') return void socket.destroy()
    if (fault?.answer !== 'silent') send(reply)
  }

  #apply(index: number, { name, body }: Command, fault: Fault | null): Document {
    // A fault may have waited: the member may be no primary any more.
    if (index !== this.#primary) return { ok: 0, code: 10107, codeName: 'NotWritablePrimary', errmsg: 'not primary' }
    if (fault?.error !== undefined && fault.applied !== true) return errorReply(fault.error)
    if (fault?.applied === false) return { ok: 1 }
    const statement =
      body['txnNumber'] === undefined
        ? null
        : `${Buffer.from((body['lsid'] as { id: Uint8Array }).id).toString('hex')} ${body['txnNumber']}`
    const before = statement === null ? undefined : this.#answers.get(statement)
    const writes = WRITES.has(name)
    const shaky = fault?.writeConcernError !== undefined || fault?.unreplicated === true
    // A read that must be the newest makes sure of a majority first; so does every write that is acknowledged.
    const sure = writes ? !shaky : body['readConcern']?.level === 'linearizable'
    if (sure && !writes) this.data.commit()
    const reply = before ?? this.#commands.run(name, body, fault)
    if (reply === null) return { ok: 0, code: 59, codeName: 'CommandNotFound', errmsg: `no such command: '${name}'` }
    if (sure && writes) this.data.commit()
    if (statement !== null) this.#answers.set(statement, reply)
    if (fault?.error !== undefined) return errorReply(fault.error)
    if (fault?.writeConcernError === undefined) return reply
    const { code, labels: names = [] } = fault.writeConcernError
    return { ...reply, writeConcernError: { code, errmsg: 'waiting for replication was interrupted', ...labels(names) } }
  }

  /** What every member answers about itself. */
  #own(index: number, name: string, body: Document, login: Login | null): Document | null {
    switch (name) {
      case 'hello':
      case 'ismaster':
      case 'isMaster':
        return {
          ...this.#hello(index),
          ...(login !== null && body['saslSupportedMechs'] !== undefined && { saslSupportedMechs: ['SCRAM-SHA-256'] }),
        }
      case 'ping':
      case 'endSessions':
        return { ok: 1 }
      case 'buildInfo':
        return { ok: 1, version: '8.0.0', versionArray: [8, 0, 0, 0] }
      case 'getDefaultRWConcern':
        return { ok: 1, defaultWriteConcern: { w: 'majority', wtimeout: 0 } }
      case 'saslStart':
        return login?.start(body['payload'] as Buffer) ?? null
      case 'saslContinue':
        return login?.proceed(body['payload'] as Buffer) ?? null
      default:
        return null
    }
  }

  #hello(index: number): Document {
    const hosts = this.#members.map(({ port }) => `127.0.0.1:${port}`)
    const primary = index === this.#primary
    const set = this.#options.standalone
      ? { isWritablePrimary: true, ismaster: true }
      : {
          isWritablePrimary: primary,
          ismaster: primary,
          secondary: !primary,
          setName: 'rs',
          setVersion: 1,
          hosts,
          me: hosts[index],
          ...(this.#primary !== null && { primary: hosts[this.#primary] }),
          ...(primary && { electionId: new ObjectId(this.#election.toString(16).padStart(24, '0')) }),
        }
    return {
      ok: 1,
      helloOk: true,
      ...set,
      minWireVersion: 0,
      maxWireVersion: this.#options.wireVersion ?? 25,
      maxBsonObjectSize: 16 * 1024 * 1024,
      maxMessageSizeBytes: 48_000_000,
      maxWriteBatchSize: 100_000,
      logicalSessionTimeoutMinutes: 30,
      localTime: new Date(Date.now() + (this.#options.clockMs ?? 0)),
      connectionId: 1,
    }
  }
}

function labels(names: readonly string[]): Document {
  return names.length === 0 ? {} : { errorLabels: names }
}

function errorReply({ code, errmsg = 'as the test asked', labels: names = [] }: NonNullable<Fault['error']>): Document {
  return { ok: 0, code, errmsg, ...labels(names) }
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
}
