/** A real replica set of three, on this machine, that a test may kill and step down; or the server that MONGODB_URL names. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { MongoClient } from 'mongodb'
import { freePort } from './ports.ts'

const MEMBERS = 3
const SET = 'troupe-test'
const START_MS = 60_000
const LOOK_MS = 100

/** The program `mongod`, or null. */
export function findMongod(): string | null {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'mongod')
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      continue
    }
  }
  return null
}

interface Member {
  readonly port: number
  readonly dir: string
  process: ChildProcess | null
}

export class RealSet {
  readonly #mongod: string
  readonly #dir: string
  readonly #members: Member[] = []

  private constructor(mongod: string) {
    this.#mongod = mongod
    this.#dir = mkdtempSync(join(tmpdir(), 'troupe-mongod-'))
  }

  static async start(mongod: string): Promise<RealSet> {
    const set = new RealSet(mongod)
    try {
      for (let i = 0; i < MEMBERS; i++) {
        const dir = join(set.#dir, String(i))
        mkdirSync(dir)
        set.#members.push({ port: await freePort(), dir, process: null })
      }
      for (const member of set.#members) set.#launch(member)
      await set.#initiate()
      await set.primary()
      return set
    } catch (error) {
      await set.stop()
      throw error
    }
  }

  get url(): string {
    return `mongodb://${this.#members.map(({ port }) => `127.0.0.1:${port}`).join(',')}/?replicaSet=${SET}`
  }

  #launch(member: Member): void {
    const args = ['--replSet', SET, '--port', String(member.port), '--bind_ip', '127.0.0.1', '--dbpath', member.dir, '--quiet']
    member.process = spawn(this.#mongod, [...args, '--wiredTigerCacheSizeGB', '0.25', '--oplogSize', '64'], { stdio: 'ignore' })
  }

  async #initiate(): Promise<void> {
    const members = this.#members.map(({ port }, _id) => ({ _id, host: `127.0.0.1:${port}` }))
    const config = { _id: SET, members, settings: { electionTimeoutMillis: 1000, heartbeatIntervalMillis: 200 } }
    await this.#until(async () => {
      await this.#asked(this.#members[0] as Member, (client) => client.db('admin').command({ replSetInitiate: config }))
      return true
    })
  }

  async #asked<T>({ port }: Member, ask: (client: MongoClient) => Promise<T>): Promise<T> {
    const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, { serverSelectionTimeoutMS: 2000 })
    try {
      return await ask(client)
    } finally {
      await client.close()
    }
  }

  /** Waits until a member is the writable primary. */
  async primary(): Promise<number> {
    let found = -1
    await this.#until(async () => {
      const answers = await Promise.allSettled(
        this.#members.map((member) => this.#asked(member, (client) => client.db('admin').command({ hello: 1 }))),
      )
      found = answers.findIndex((answer) => answer.status === 'fulfilled' && answer.value['isWritablePrimary'] === true)
      return found >= 0
    })
    return found
  }

  /** The primary's process dies as by a power cut of its machine. */
  async killPrimary(): Promise<void> {
    const member = this.#members[await this.primary()] as Member
    const { process: child } = member
    if (child === null) return
    member.process = null
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  /** Starts again what was killed. */
  restart(): void {
    for (const member of this.#members) if (member.process === null) this.#launch(member)
  }

  async stepDown(): Promise<void> {
    const member = this.#members[await this.primary()] as Member
    // The answer may be lost with the connections that it closes.
    await this.#asked(member, (client) => client.db('admin').command({ replSetStepDown: 5, force: true })).catch(() => undefined)
  }

  async stop(): Promise<void> {
    for (const { process: child } of this.#members) {
      if (child === null || child.exitCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    rmSync(this.#dir, { recursive: true, force: true })
  }

  async #until(reached: () => Promise<boolean>): Promise<void> {
    const until = Date.now() + START_MS
    let last: unknown = null
    for (;;) {
      const there = await reached().catch((error: unknown) => {
        last = error
        return false
      })
      if (there) return
      if (Date.now() > until) throw new Error(`the replica set did not come up in ${START_MS} ms: ${String(last)}`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }
}
