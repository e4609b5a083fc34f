/**
 * A small network of this machine's own: a namespace for each node, all on one bridge, so that links between nodes can be cut while their
 * processes, their disk and the tests' own connections stay as they are. Needs Linux, root and iproute2; `refusal()` says why not.
 *
 * A link is cut in one direction by a wrong hardware address of the neighbour: what is sent goes out and nobody takes it. No error comes back
 * to the sender, on connections that stand and on new ones alike, as with a broken cable or a full queue.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Nobody has this hardware address. */
const NOBODY = '02:00:00:00:00:01'
/** Set aside for tests of networks (RFC 2544); each network takes 256 addresses of it. */
const NETS = Array.from({ length: 250 }, (_, i) => `198.18.${i}`)
const NAME = /^trp(\d+)/

function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 })
}

/** Why there can be no such network here; null: there can. */
export function refusal(): string | null {
  if (process.platform !== 'linux') return `network namespaces are of Linux, this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const tried = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' })
  if (tried.error !== undefined) return 'there is no `ip` (iproute2) on the path'
  const probe = `trp${process.pid}probe`
  try {
    ip('netns', 'add', probe)
    ip('link', 'add', `trp${process.pid}p`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', probe)
    ip('netns', 'exec', probe, 'true')
    return null
  } catch (error) {
    return `this machine allows no network namespaces: ${String((error as { stderr?: string }).stderr ?? error).trim()}`
  } finally {
    spawnSync('ip', ['netns', 'del', probe])
  }
}

export class Network {
  readonly #count: number
  readonly #net: string
  readonly #remove = (): void => this.remove()
  readonly #cuts = new Set<string>()

  constructor(count: number) {
    sweep()
    this.#count = count
    // Whatever ends this process but SIGKILL; after that, the next one sweeps.
    process.once('exit', this.#remove)
    const taken = ip('-4', '-o', 'addr')
    // Each process begins to look elsewhere: two at the same moment would take the same.
    const first = process.pid % NETS.length
    const net = [...NETS.slice(first), ...NETS.slice(0, first)].find((one) => !taken.includes(` ${one}.`))
    if (net === undefined) throw new Error('all networks of 198.18.0.0/16 are taken')
    this.#net = net
    try {
      ip('link', 'add', this.#bridge, 'type', 'bridge')
      ip('addr', 'add', `${this.#net}.254/24`, 'dev', this.#bridge)
      ip('link', 'set', this.#bridge, 'up')
      for (let i = 0; i < count; i++) this.#join(i)
    } catch (error) {
      this.remove()
      throw error
    }
  }

  #join(i: number): void {
    const space = this.#space(i)
    const outer = `${this.#bridge.slice(0, -1)}v${i}`
    ip('netns', 'add', space)
    ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space)
    ip('link', 'set', outer, 'master', this.#bridge, 'up')
    ip('-n', space, 'addr', 'add', `${this.address(i)}/24`, 'dev', 'eth0')
    ip('-n', space, 'link', 'set', 'eth0', 'up')
    ip('-n', space, 'link', 'set', 'lo', 'up')
  }

  get #bridge(): string {
    return `trp${process.pid}b`
  }

  #space(i: number): string {
    return `trp${process.pid}n${i}`
  }

  address(i: number): string {
    return `${this.#net}.${i + 1}`
  }

  /** What a command line begins with to run there. The process is the command's own. */
  prefix(i: number): readonly string[] {
    return ['ip', 'netns', 'exec', this.#space(i)]
  }

  /** Nothing that `from` sends reaches `to` any more. */
  cut(from: number, to: number): void {
    this.#cuts.add(`${from} ${to}`)
    ip('-n', this.#space(from), 'neigh', 'replace', this.address(to), 'lladdr', NOBODY, 'dev', 'eth0', 'nud', 'permanent')
  }

  heal(from: number, to: number): void {
    if (this.#cuts.delete(`${from} ${to}`)) ip('-n', this.#space(from), 'neigh', 'del', this.address(to), 'dev', 'eth0')
  }

  healAll(): void {
    for (const cut of [...this.#cuts]) {
      const [from, to] = cut.split(' ').map(Number) as [number, number]
      this.heal(from, to)
    }
  }

  get cuts(): number {
    return this.#cuts.size
  }

  /** Leaves nothing behind, whatever of it was there. The nodes in it must have ended. */
  remove(): void {
    process.off('exit', this.#remove)
    for (let i = 0; i < this.#count; i++) spawnSync('ip', ['netns', 'del', this.#space(i)])
    spawnSync('ip', ['link', 'del', this.#bridge])
  }
}

/** Removes networks whose makers were killed. */
function sweep(): void {
  const gone = (name: string): boolean => {
    const pid = NAME.exec(name)?.[1]
    return pid !== undefined && !existsSync(`/proc/${pid}`)
  }
  const spaces = ip('netns', 'list')
    .split('\n')
    .map((line) => line.split(' ')[0] as string)
  for (const name of spaces.filter(gone)) spawnSync('ip', ['netns', 'del', name])
  const links = ip('-o', 'link')
    .split('\n')
    .map((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? '')
  for (const name of links.filter((link) => gone(link) && link.endsWith('b'))) spawnSync('ip', ['link', 'del', name])
}
