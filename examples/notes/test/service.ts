/** A node of the application in this process, on a free port and a store in memory, and a caller for its HTTP routes. */
import { startNode, type RunningNode } from '../../../src/index.ts'
import { notesApp } from '../application.ts'
import type { LiveOptions } from '../routes/live.ts'
import { Tokens } from '../tokens.ts'

const SECRET = 'a secret of the tests, long enough for all'
export const tokens = new Tokens(SECRET)

export interface Answer {
  readonly status: number
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into what came
  readonly body: any
  readonly headers: Headers
}

export interface Service {
  readonly node: RunningNode
  readonly url: string
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
  /** A new account, logged in. */
  person(name: string, password?: string): Promise<{ readonly uid: string; readonly token: string }>
}

export interface CallOptions {
  readonly token?: string
  readonly body?: unknown
  readonly key?: string
}

export async function startService(live: LiveOptions = {}): Promise<Service> {
  const app = notesApp({ secret: SECRET, scryptLn: 4, sessionMs: 3_600_000 }, live)
  const node = await startNode({ app, listen: '127.0.0.1:0', adminListen: null, store: 'memory:' })
  const url = (node.clientUrl as string).replace(/^ws/, 'http')
  const call: Service['call'] = async (method, path, { token, body, key } = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(key !== undefined && { 'idempotency-key': key }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return {
      status: response.status,
      body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text,
      headers: response.headers,
    }
  }
  const person: Service['person'] = async (name, password = 'correct horse') => {
    const { status, body } = await call('POST', '/register', { body: { name, email: `${name}@x.org`, password } })
    if (status !== 200) throw new Error(JSON.stringify(body))
    return body as { uid: string; token: string }
  }
  return { node, url, call, person }
}
