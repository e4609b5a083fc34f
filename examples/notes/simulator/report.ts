/** The closing report: as JSON, and as a table for a person. */
import type { AuditReport, FeedReport } from './audit.ts'
import type { SimulatorOptions } from './options.ts'
import type { Fault, FaultsReport, Spread } from './faults.ts'
import { OPERATIONS, round, type OperationReport, type Operation, type Tally } from './tally.ts'

export interface SimulatorReport {
  readonly ok: boolean
  readonly run: string
  readonly startedAt: string
  readonly options: Omit<SimulatorOptions, 'providerToken'>
  /** Seconds of each phase. */
  readonly seconds: Readonly<Record<string, number>>
  readonly loadedPerS: number | null
  readonly provided: { readonly acknowledged: number; readonly perS: number }
  readonly operations: Readonly<Partial<Record<Operation, OperationReport>>>
  readonly pagesWrong: number
  /** Answers that were not final and were asked for again, by code. */
  readonly retries: Readonly<Record<string, number>>
  /** Given up or refused, by operation and code. */
  readonly failures: Readonly<Record<string, number>>
  /** Times of a second or more without an acknowledgement. */
  readonly outages: readonly { readonly fromS: number; readonly seconds: number }[]
  /** Sends that the SDK gave up, by code: what happened was more than its own repeats absorb. They are sent again all the same. */
  readonly rejected: Readonly<Record<string, number>>
  readonly faults: FaultsReport | null
  readonly audit: AuditReport | null
  readonly feeds: FeedReport | null
}

export function operationsOf(tally: Tally): SimulatorReport['operations'] {
  return Object.fromEntries(OPERATIONS.filter((name) => tally.count(name) > 0).map((name) => [name, tally.report(name)]))
}

const MEANING: Record<Operation, string> = {
  register: 'register or log in',
  load: 'load, 500 notes a request',
  provide: 'provider → acknowledged',
  page: 'page of 20, newest first',
  add: 'add over a socket',
  edit: 'edit over a socket',
  delete: 'delete over a socket',
  live: 'entry → on a socket',
  away: 'socket lost → open again',
}

export function tableOf(report: SimulatorReport): string {
  const { operations, seconds, audit, feeds, faults } = report
  const rows = [['', 'count', 'per s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms']]
  for (const [name, { count, p50Ms, p99Ms, p999Ms, maxMs }] of Object.entries(operations) as [Operation, OperationReport][]) {
    const phase = name === 'register' ? seconds['register'] : name === 'load' ? seconds['load'] : seconds['live']
    const perS = phase === undefined || phase === 0 ? '' : round(count / phase)
    rows.push([MEANING[name], count, perS, p50Ms, p99Ms, p999Ms, maxMs].map(String))
  }
  const lines = [
    `run ${report.run}: ${report.options.users} users, ${report.options.notes} notes loaded, ${report.options.rate}/s provided for ${seconds['live'] ?? 0} s, ${report.options.clients} clients, ${report.options.sockets} sockets`,
    ...(report.loadedPerS === null ? [] : [`loaded ${report.options.notes} notes in ${seconds['load']} s: ${report.loadedPerS} notes/s`]),
    '',
    ...aligned(rows),
    '',
    'Provider, pages and adds are counted from when they were due; a pause of the node is in every figure it touched.',
    `outages     ${report.outages.length === 0 ? 'none' : report.outages.map(({ fromS, seconds: s }) => `${s} s at ${fromS} s`).join(', ')}`,
    `retried     ${listed(report.retries)}`,
    `failed      ${listed(report.failures)}`,
  ]
  if (report.options.strict) lines.push(`sdk         ${given(report.rejected)}`)
  if (faults !== null) lines.push(...faultLines(faults))
  if (report.pagesWrong > 0) lines.push(`pages       ${report.pagesWrong} were not newest first or had a note twice`)
  if (feeds !== null)
    lines.push(
      `feeds       ${feeds.expected} acknowledged items due on sockets: ${feeds.missed} missed, ${feeds.duplicated} duplicated, ${feeds.gaps} told as gaps`,
    )
  if (audit !== null) {
    lines.push(
      `audit       ${audit.users} users, ${audit.notesRead} notes read back, ${audit.acknowledged} acknowledged in this run (${audit.deleted} of them deleted again; ${audit.unacknowledgedThere} more there without)`,
      `            ${audit.lost} lost, ${audit.duplicated} duplicated, ${audit.misplaced} misplaced, ${audit.altered} altered, ${audit.revived} revived`,
    )
    for (const [trouble, ids] of Object.entries(audit.samples)) lines.push(`            ${trouble}: ${ids.join(' ')}`)
  }
  lines.push(report.ok ? 'OK' : 'FAILED')
  return lines.join('\n')
}

const given = (rejected: SimulatorReport['rejected']): string =>
  Object.keys(rejected).length === 0 ? 'absorbed everything: it gave up no send' : `gave up: ${listed(rejected)}`

function faultLines({ all, failover, moved }: FaultsReport): string[] {
  const count = (kind: Fault['kind']): number => all.filter((fault) => fault.kind === kind).length
  const rows = [['at s', 'fault', 'node', 'actors', 'answered p50', 'p99', 'max ms', 'longest wait', 'gone after', 'back after']]
  for (const { atS, kind, node, actors, answered, longestMs, goneMs, backMs } of all) {
    const { p50Ms, p99Ms, maxMs } = answered
    rows.push([atS, kind, node, actors, p50Ms, p99Ms, maxMs, longestMs, goneMs ?? '', backMs].map(String))
  }
  return [
    '',
    `${count('kill')} kills (kill -9), ${count('drain')} drains, each node started again:`,
    ...aligned(rows),
    `failover    ${spread(failover)}: from the kill until an actor of that node acknowledged a note again`,
    `moved       ${spread(moved)}: a note to an actor of a node that drains`,
    '',
  ]
}

const spread = ({ count, p50Ms, p99Ms, maxMs }: Spread): string => `p50 ${p50Ms}, p99 ${p99Ms}, max ${maxMs} ms of ${count}`

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart((widths[column] ?? 0) + 2))).join(''),
  )
}

function listed(counts: Readonly<Record<string, number>>): string {
  const some = Object.entries(counts).map(([name, count]) => `${name} ${count}`)
  return some.length === 0 ? 'none' : some.join(', ')
}
