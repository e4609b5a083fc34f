/** Checks of the machine: Node, open files, memory, kernel settings, clocks. What a system does not have is left out. */
import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import type { Clock } from '../../base/clock.ts'
import { nodeProblem } from '../node-version.ts'
import { fail, ok, warn, type Finding } from './finding.ts'

export function nodeVersion(version: string): Finding {
  const problem = nodeProblem(version)
  return problem === null ? ok('node', version) : fail('node', version, problem)
}

/** A socket is a file: two thirds of the limit are a fair number of clients. */
export function openFiles(limits: string): Finding {
  const match = /^Max open files\s+(\d+|unlimited)\s+(\d+|unlimited)/m.exec(limits)
  if (match === null) return warn('open files', 'unknown', "look at 'ulimit -n' yourself")
  const soft = match[1] === 'unlimited' ? Infinity : Number(match[1])
  const found = `${match[1]} (hard ${match[2]}): about ${soft === Infinity ? 'any number of' : Math.max(0, soft - 200)} sockets`
  if (soft >= 65_536) return ok('open files', found)
  const advice = "raise it: 'ulimit -n 1048576' in the shell, LimitNOFILE=1048576 in a systemd unit, --ulimit nofile=1048576 for docker"
  return soft < 1024 ? fail('open files', found, advice) : warn('open files', found, advice)
}

interface KernelSetting {
  readonly check: string
  readonly path: string
  judge(text: string): Finding
}

const KERNEL: readonly KernelSetting[] = [
  {
    check: 'somaxconn',
    path: '/proc/sys/net/core/somaxconn',
    judge: (text) => {
      const value = Number(text)
      return value >= 1024
        ? ok('somaxconn', String(value))
        : warn('somaxconn', String(value), 'connections are refused when many clients come back at once: sysctl -w net.core.somaxconn=4096')
    },
  },
  {
    check: 'local ports',
    path: '/proc/sys/net/ipv4/ip_local_port_range',
    judge: (text) => {
      const [low = 0, high = 0] = text.trim().split(/\s+/).map(Number)
      const found = `${low}–${high} (${high - low + 1} outgoing connections to one address)`
      return high - low >= 28_000
        ? ok('local ports', found)
        : warn('local ports', found, "a proxy on this machine runs out of ports: sysctl -w net.ipv4.ip_local_port_range='10240 65535'")
    },
  },
  {
    check: 'conntrack',
    path: '/proc/sys/net/netfilter/nf_conntrack_max',
    judge: (text) => {
      const value = Number(text)
      return value >= 262_144
        ? ok('conntrack', String(value))
        : warn('conntrack', String(value), 'the firewall drops connections beyond it: sysctl -w net.netfilter.nf_conntrack_max=1048576')
    },
  },
]

/** `read` gives a file's text, or null when it cannot be read. */
export function kernel(read: (path: string) => string | null): Finding[] {
  return KERNEL.flatMap(({ path, judge }) => {
    const text = read(path)
    return text === null ? [] : [judge(text)]
  })
}

export function memory(read: (path: string) => string | null): Finding {
  const limit = Number(read('/sys/fs/cgroup/memory.max') ?? Number.NaN)
  const bytes = Number.isFinite(limit) ? Math.min(limit, totalmem()) : totalmem()
  const found = `${(bytes / 2 ** 30).toFixed(1)} GiB${Number.isFinite(limit) ? ' (of this container)' : ''}`
  return bytes >= 512 * 2 ** 20 ? ok('memory', found) : warn('memory', found, 'give a node at least 512 MiB')
}

/** Wall and monotonic time must run alike; a wall clock before the release of Node is not set. */
export async function clocks(clock: Clock, waitMs: number): Promise<Finding> {
  const wall = clock.now()
  const mono = clock.mono()
  await new Promise<void>((resolve) => clock.after(waitMs, resolve))
  const drift = Math.abs(clock.now() - wall - (clock.mono() - mono))
  const found = `${new Date(wall).toISOString()}, wall and monotonic time differ by ${drift.toFixed(1)} ms over ${waitMs} ms`
  if (wall < Date.UTC(2025, 0, 1)) return fail('clock', found, 'the wall clock is not set: turn on NTP (timedatectl set-ntp true)')
  return drift <= 50 ? ok('clock', found) : warn('clock', found, 'the wall clock is being moved: let NTP slew it instead of setting it')
}

export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
