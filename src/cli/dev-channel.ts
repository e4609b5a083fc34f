/** What `dev` and its child say to each other over the process channel. */
import type { LogLevel } from '../node/pino-log.ts'
import type { ServeConfig } from './serve-flags.ts'

export type ToDevNode =
  | { readonly kind: 'start'; readonly app: string; readonly config: ServeConfig; readonly logLevel: LogLevel }
  /** The second one stops at once. */
  | { readonly kind: 'drain' }

export type FromDevNode =
  | {
      readonly kind: 'ready'
      readonly clientUrl: string
      readonly rpcAddress: string | null
      readonly adminUrl: string | null
      readonly files: string | null
    }
  /** The child got a signal of its own: whoever sent it means the whole, and the parent decides. */
  | { readonly kind: 'signalled' }
  /** `app`: the module does not load; a change may mend it. `node`: a port, the store …: a change of the app will not. */
  | { readonly kind: 'failed'; readonly of: 'app' | 'node'; readonly message: string; readonly stack: string }
