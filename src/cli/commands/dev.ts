/**
 * `dev`: one node for one's own machine, in a child process that is replaced when a source changes.
 *
 * 1. At most one child lives at a time: the next starts when the last has drained and gone. State is in the store, so it stays.
 * 2. The ports are those of the first life, also when they were asked for as 0.
 * 3. A child that drains is waited for. One that still starts has served nobody, and may hang: it is ended, if need be with SIGKILL.
 * 4. A signal to the child alone ends the command as well: it is the child that has the ports, so its pid is what people find.
 * 5. A module that does not load is told, and the next save tried; a port in use or a broken store ends the command.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { styleText } from 'node:util'
import type { Command } from 'commander'
import type { Timer } from '../../base/clock.ts'
import { systemClock } from '../../base/system.ts'
import { appPath } from '../app-module.ts'
import type { FromDevNode, ToDevNode } from '../dev-channel.ts'
import { failed } from '../failure.ts'
import { flag } from '../flags.ts'
import { example } from '../help.ts'
import { checkAddress, OPTION_HELP, serveConfig, serving, type ServeConfig, type ServeFlags } from '../serve-flags.ts'
import { onSignals } from '../signals.ts'
import { watchSources } from '../source-watch.ts'
import { goOnUnheard, type Terminal } from '../terminal.ts'

const MAIN = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js', import.meta.url))

export function devCommand(program: Command, terminal: Terminal): void {
  serving(program.command('dev').argument('<app>', 'the app module, TypeScript or JavaScript'))
    .addOption(flag('--rpc-listen <host:port>', 'port for services (gRPC); none = without').default('127.0.0.1:7100'))
    .summary('run an app on this machine and reload it on change')
    .description(
      `Runs an app on this machine: one node, its store in .troupe/, reloaded whenever a source below the app's folder is saved; state stays.
Everybody may connect under any name: ?as=NAME in a browser, token dev:NAME elsewhere, so keep it on loopback.
Prints its pid, a line for each port, then 'ready'.`,
    )
    .addHelpText(
      'after',
      `${example(`
        troupe dev app.ts
        troupe dev app.ts --listen 0.0.0.0:7000    let phones in the network connect
        troupe dev app.ts --store memory:          forget everything at the end
        troupe dev app.ts --option idleMs=5000`)}${OPTION_HELP}`,
    )
    .action(async (app: string, flags: ServeFlags & { readonly rpcListen: string; readonly verbose?: true }) => {
      goOnUnheard()
      const { rpcListen } = flags
      if (rpcListen !== 'none') checkAddress('--rpc-listen', rpcListen)
      const given: ServeConfig = { ...serveConfig(flags), rpcListen: rpcListen === 'none' ? null : rpcListen }
      // A reload need not go gently: clients come back by themselves.
      const config = { ...given, options: { drainSpreadMs: 0, ...given.options } }
      const path = appPath(app)
      await new DevSession(path, config, flags, terminal).run()
    })
}

/** How long a child that is to end may go on starting. */
const STARTING_MS = 5_000

type Next = 'reload' | 'wait' | 'end'

class DevSession {
  readonly #path: string
  readonly #flags: ServeFlags & { readonly verbose?: true }
  readonly #terminal: Terminal
  #config: ServeConfig
  #child: ChildProcess | null = null
  #phase: 'starting' | 'serving' | 'draining' = 'starting'
  /** Ends a child that still starts and does not heed SIGTERM. */
  #patience: Timer | null = null
  /** What to do when the child is gone. */
  #next: Next = 'wait'
  #changed: string | null = null
  #lives = 0
  #failure: Error | null = null
  #wake: () => void = () => undefined

  constructor(path: string, config: ServeConfig, flags: ServeFlags & { readonly verbose?: true }, terminal: Terminal) {
    this.#path = path
    this.#config = config
    this.#flags = flags
    this.#terminal = terminal
  }

  async run(): Promise<void> {
    const sources = watchSources(dirname(this.#path), systemClock, (file) => this.#change(file))
    const storeDir = /^sqlite:(.+)$/.exec(this.#flags.store)?.[1]
    const ignored = storeDir === undefined ? [] : [resolve(storeDir)]
    sources.ignore(ignored)
    const deaf = onSignals({ drain: () => this.#end(), stop: () => this.#child?.kill('SIGKILL') })
    try {
      while (this.#asked() !== 'end') {
        await this.#live((files) => sources.ignore(files === null ? ignored : [...ignored, files]))
        if (this.#failure !== null) throw this.#failure
        await this.#reason()
      }
    } finally {
      deaf()
      sources.close()
    }
  }

  /** One life of the child, from its start to its end. */
  async #live(ready: (files: string | null) => void): Promise<void> {
    const begun = systemClock.mono()
    const child = fork(MAIN, ['dev-node'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child = child
    this.#phase = 'starting'
    this.#next = 'wait'
    this.#changed = null
    this.#tell({ kind: 'start', app: this.#path, config: this.#config, logLevel: this.#flags.logLevel })
    let failure = false
    child.on('message', (message: FromDevNode) => {
      if (message.kind === 'failed') {
        failure = true
        return this.#failed(message)
      }
      if (message.kind === 'signalled') return this.#signalled()
      this.#serves(message, Math.round(systemClock.mono() - begun))
      ready(message.files)
    })
    const [code, signal] = await new Promise<readonly [number | null, NodeJS.Signals | null]>((gone) =>
      child.once('exit', (...how) => gone(how)),
    )
    this.#child = null
    this.#patience?.cancel()
    this.#patience = null
    if (failure || this.#asked() !== 'wait') return
    // (4) It had not started yet.
    if (signal === 'SIGTERM' || signal === 'SIGINT') return this.#end()
    const how = code === null ? 'was ended by a signal' : code === 0 ? 'has drained' : `ended with code ${code}`
    this.#terminal.err(`troupe: the node ${how}; waiting for a change`)
  }

  #serves({ clientUrl, rpcAddress, adminUrl }: Extract<FromDevNode, { kind: 'ready' }>, ms: number): void {
    if (this.#phase === 'starting') this.#phase = 'serving'
    this.#lives += 1
    if (this.#lives === 1) {
      this.#terminal.out(`pid ${process.pid}`)
      this.#terminal.out(`client ${clientUrl}`)
      if (rpcAddress !== null) this.#terminal.out(`rpc ${rpcAddress}`)
      if (adminUrl !== null) this.#terminal.out(`admin ${adminUrl}`)
      const adminListen = adminUrl === null ? null : new URL(adminUrl).host
      this.#config = { ...this.#config, listen: new URL(clientUrl).host, rpcListen: rpcAddress, adminListen }
    }
    this.#terminal.out('ready')
    if (this.#terminal.interactive)
      this.#terminal.err(styleText('dim', `in ${ms} ms; reloads when a source is saved, Ctrl-C ends`, { stream: process.stderr }))
  }

  #failed({ of, message, stack }: Extract<FromDevNode, { kind: 'failed' }>): void {
    if (of === 'node' && this.#lives === 0) {
      this.#failure = failed(message)
      return
    }
    this.#terminal.err(`troupe: ${message}`)
    if (this.#flags.verbose) this.#terminal.err(stack)
    this.#terminal.err('troupe: waiting for a change')
  }

  #change(file: string): void {
    if (this.#next === 'end') return
    this.#changed = file
    this.#next = 'reload'
    this.#leave()
  }

  #end(): void {
    this.#next = 'end'
    this.#leave()
  }

  /** A child that had just begun to serve when it was to be ended hears the signal too: then it drains. */
  #signalled(): void {
    if (this.#next === 'wait') this.#next = 'end'
    this.#drain()
  }

  #leave(): void {
    const child = this.#child
    if (child === null) return this.#wake()
    if (this.#phase !== 'starting') return this.#drain()
    child.kill('SIGTERM')
    this.#patience ??= systemClock.after(STARTING_MS, () => child.kill('SIGKILL'))
  }

  /** Once: the second would stop it. */
  #drain(): void {
    this.#patience?.cancel()
    this.#patience = null
    if (this.#phase === 'draining') return
    this.#phase = 'draining'
    this.#tell({ kind: 'drain' })
  }

  #asked(): Next {
    return this.#next
  }

  /** Until there is a reason for another life, or for none. */
  async #reason(): Promise<void> {
    if (this.#next === 'wait') await new Promise<void>((wake) => (this.#wake = wake))
    if (this.#next === 'reload') this.#terminal.err(`reloading: ${this.#changed ?? 'a source'} changed`)
  }

  #tell(message: ToDevNode): void {
    if (this.#child?.connected) this.#child.send(message)
  }
}
