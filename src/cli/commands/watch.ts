/** `watch`: follows a topic of an actor until Ctrl-C; comes back by itself where it was when the connection breaks. */
import type { Command } from 'commander'
import { backoffMs } from '../../base/backoff.ts'
import { systemClock, systemRandom } from '../../base/system.ts'
import { CliError, lineOf } from '../failure.ts'
import { actorArgument, flag, talking, TALKING_HELP, whole, type TalkFlags } from '../flags.ts'
import { example } from '../help.ts'
import { actorPath, actorTarget, request, type Target } from '../node-api.ts'
import { readSse, type SseEvent } from '../sse.ts'
import type { Terminal } from '../terminal.ts'

const RETRY_FIRST_MS = 200
const RETRY_MAX_MS = 5000

interface WatchFlags extends TalkFlags {
  readonly count?: number
  readonly json?: true
}

export function watchCommand(program: Command, terminal: Terminal): void {
  talking(program.command('watch').argument('<actor>', 'type/key, as in user/alice').argument('<topic>', 'name of the topic'))
    .addOption(flag('--count <n>', 'end after so many notifications').argParser(whole(1, Number.MAX_SAFE_INTEGER)))
    .addOption(flag('--json', 'print each notification as it came, one JSON object a line'))
    .summary('follow a topic of an actor')
    .description(
      `Follows a topic of an actor and prints a line for each notification, until Ctrl-C. A view prints its value first; a signal prints the offset
of the change; a log prints offset, event and data. When the connection breaks it connects again and goes on where it was.`,
    )
    .addHelpText(
      'after',
      `${example(`
        troupe watch user/alice summary
        troupe watch user/alice feed --token dev:alice
        troupe watch user/alice summary --count 1 --json`)}${TALKING_HELP}`,
    )
    .action(async (actor: string, topic: string, flags: WatchFlags) => {
      const id = actorArgument(actor)
      const ended = new AbortController()
      process.once('SIGINT', () => ended.abort())
      process.once('SIGTERM', () => ended.abort())
      const path = `${actorPath(id)}/topics/${encodeURIComponent(topic)}`
      await new Watch(await actorTarget(flags, id), path, flags, terminal, ended).run()
    })
}

class Watch {
  readonly #target: Target
  readonly #path: string
  readonly #flags: WatchFlags
  readonly #terminal: Terminal
  readonly #ended: AbortController
  #last: string | null = null
  #left: number
  #attempt = 0

  constructor(target: Target, path: string, flags: WatchFlags, terminal: Terminal, ended: AbortController) {
    this.#target = target
    this.#path = path
    this.#flags = flags
    this.#terminal = terminal
    this.#ended = ended
    this.#left = flags.count ?? Infinity
  }

  async run(): Promise<void> {
    // The first connection must succeed: a wrong address or name is an error, not something to wait for.
    let response: Response | null = await this.#open()
    while (response !== null) {
      const why = await this.#read(response)
      if (this.#ended.signal.aborted || this.#left === 0) return
      this.#terminal.err(`connection lost (${why}); connecting again`)
      response = await this.#again()
    }
  }

  async #open(): Promise<Response> {
    const headers = { accept: 'text/event-stream', ...(this.#last === null ? {} : { 'last-event-id': this.#last }) }
    // The time-out is for the answer to begin; the stream itself has none.
    const late = new AbortController()
    const timer = systemClock.after(this.#target.timeoutMs, () => late.abort(new DOMException('no answer in time', 'TimeoutError')))
    try {
      return await request(this.#target, this.#path, { headers, signal: AbortSignal.any([this.#ended.signal, late.signal]) })
    } finally {
      timer.cancel()
    }
  }

  async #again(): Promise<Response | null> {
    for (;;) {
      const waited = Promise.withResolvers<void>()
      const timer = systemClock.after(backoffMs(this.#attempt++, RETRY_FIRST_MS, RETRY_MAX_MS, systemRandom), waited.resolve)
      this.#ended.signal.addEventListener('abort', () => waited.resolve(), { once: true })
      await waited.promise
      timer.cancel()
      if (this.#ended.signal.aborted) return null
      try {
        return await this.#open()
      } catch (error) {
        if (this.#ended.signal.aborted) return null
        if (
          !(error instanceof CliError) ||
          !/^(cannot reach|unavailable|overloaded|moved|timeout|store_unavailable|rate_limited)/.test(error.message)
        )
          throw error
      }
    }
  }

  /** Prints until the stream ends; returns why it did. */
  async #read(response: Response): Promise<string> {
    try {
      if (response.body === null) return 'empty answer'
      for await (const event of readSse(response.body, (id) => (this.#last = id))) {
        this.#attempt = 0
        this.#print(event)
        if (this.#left === 0) {
          this.#ended.abort()
          break
        }
      }
      return 'ended by the node'
    } catch (error) {
      return lineOf(error)
    }
  }

  #print({ event, data }: SseEvent): void {
    if (event !== 'note' && event !== 'gap') return
    if (event === 'note') this.#left -= 1
    if (this.#flags.json) return this.#terminal.out(data)
    const frame = JSON.parse(data) as { offset?: number; from?: number; to?: number; type?: string; data?: unknown }
    if (event === 'gap') this.#terminal.err(`gap: entries ${frame.from} to ${frame.to} are no longer kept`)
    else if (frame.type !== undefined) this.#terminal.out(`${frame.offset} ${frame.type} ${JSON.stringify(frame.data) ?? ''}`)
    else this.#terminal.out(frame.data === undefined ? `${frame.offset}` : JSON.stringify(frame.data))
  }
}
