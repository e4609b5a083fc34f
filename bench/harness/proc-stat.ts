/** What Linux says of processes and sockets in /proc (proc(5)). */
import { readFileSync } from 'node:fs'

/** USER_HZ: ticks of utime and stime a second, 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4096

/** CPU seconds, user and system, of all threads of a process so far. 0 when it is gone. */
export function cpuSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  } catch {
    return 0
  }
}

/** CPU seconds of the whole machine so far, besides idle and waiting for disks. */
export function machineCpuSeconds(): number {
  const [, user, nice, system, , , irq, softirq, steal] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/ +/).map(Number)
  return ((user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0) + (steal ?? 0)) / TICKS_PER_SECOND
}

/** Resident bytes of a process. */
export function residentBytes(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES
}

/** Kernel memory of all sockets of the machine: what their buffers hold (sockstat) and the objects themselves (slabinfo, root only). */
export function kernelSocketBytes(): { readonly buffers: number; readonly slabs: number | null } {
  const buffers = Number(/^TCP:.* mem (\d+)/m.exec(readFileSync('/proc/net/sockstat', 'utf8'))?.[1]) * PAGE_BYTES
  try {
    let slabs = 0
    for (const line of readFileSync('/proc/slabinfo', 'utf8').split('\n')) {
      const [name, active, , size] = line.split(/ +/)
      if (
        /^(TCP|TCPv6|sock_inode_cache|filp|dentry|ep|eventpoll_epi|eventpoll_pwq|tcp_bind_bucket|request_sock_TCP|skbuff_head_cache)$/.test(
          name ?? '',
        )
      )
        slabs += Number(active) * Number(size)
    }
    return { buffers, slabs }
  } catch {
    return { buffers, slabs: null }
  }
}

/** CPU used between two moments. */
export interface CpuUse {
  /** Cores by process name. */
  readonly cores: Readonly<Record<string, number>>
  /** Cores that everything else on the machine used: what makes a measurement doubtful. */
  readonly others: number
}

/** Starts counting; the returned function ends it. */
export function countCpu(pids: Readonly<Record<string, number>>): () => CpuUse {
  const names = Object.entries(pids)
  const before = names.map(([, pid]) => cpuSeconds(pid))
  const machine = machineCpuSeconds()
  const start = performance.now()
  return () => {
    const seconds = (performance.now() - start) / 1000
    // What has ended meanwhile shows nothing.
    const used = names.map(([name, pid], i) => [name, Math.max(0, cpuSeconds(pid) - (before[i] ?? 0)) / seconds] as const)
    const all = (machineCpuSeconds() - machine) / seconds
    return { cores: Object.fromEntries(used), others: Math.max(0, all - used.reduce((sum, [, cores]) => sum + cores, 0)) }
  }
}
