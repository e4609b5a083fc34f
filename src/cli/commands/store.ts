/** `store copy`: moves all that a store holds into another, of whatever kind, and checks that it is the same. */
import type { Command } from 'commander'
import { systemClock } from '../../base/system.ts'
import { CopyError, copyStore, COPIED_META } from '../../store/copy.ts'
import { StoreError, type Store } from '../../store/store.ts'
import { walkChain } from '../../actors/chain.ts'
import { CliError, failed } from '../failure.ts'
import { common, flag } from '../flags.ts'
import { example } from '../help.ts'
import { openOrMake, openThere } from '../store-place.ts'
import type { Terminal } from '../terminal.ts'

interface CopyFlags {
  readonly check?: true
  readonly json?: true
}

const ACTORS_PAGE = 500
const CHECKED_AT_ONCE = 16
const TELL_EVERY_MS = 200

export function storeCommand(program: Command, terminal: Terminal): void {
  const store = program
    .command('store')
    .summary('copy a store into another')
    .description('Works on stores directly, while no node uses them: moving from the embedded store to MongoDB, and back.')
    .addHelpText('after', example('troupe store copy sqlite:/var/lib/troupe "$MONGODB_URL"\ntroupe store copy --help'))
  common(
    store
      .command('copy')
      .argument('<from>', 'sqlite:DIR or mongodb://…')
      .argument('<to>', 'the same; an empty one, or one that this copy was begun in'),
  )
    .addOption(flag('--check', 'copy nothing, only compare'))
    .addOption(flag('--json', 'print the result as JSON'))
    .summary('copy all journals, snapshots, wake-up hints and secrets')
    .description(
      `Copies every journal byte for byte, with its snapshots, wake-up hints, and the secrets and names that the nodes share; then walks both and
compares every chain. Stop all nodes first, and start them on the copy afterwards. When it is interrupted, start it again: it goes on
where it stopped. Nothing is changed in the source. A password is better given by a variable than typed: it shows in ps.`,
    )
    .addHelpText(
      'after',
      example(`
        troupe store copy sqlite:/var/lib/troupe \\
        mongodb://db1,db2,db3/troupe?replicaSet=rs0
        troupe store copy "$MONGODB_URL" sqlite:/var/backup/troupe
        troupe store copy --check sqlite:/var/lib/troupe "$MONGODB_URL"`),
    )
    .action((from: string, to: string, flags: CopyFlags) => copy(from, to, flags, terminal))
}

async function copy(given: string, target: string, flags: CopyFlags, terminal: Terminal): Promise<void> {
  if (given === target) throw failed('a store cannot be copied into itself')
  const from = await openThere('FROM', given)
  try {
    const to = await (flags.check === true ? openThere('TO', target) : openOrMake('TO', target))
    try {
      const status = paced(terminal)
      const copied =
        flags.check === true
          ? null
          : await copyStore(from, to, ({ actors, batches, bytes }) =>
              status(`copied: ${actors} actors, ${batches} batches, ${(bytes / 1e6).toFixed(1)} MB`),
            )
      const checked = await compare(from, to, (actors) => status(`checked: ${actors} actors`))
      if (flags.json) terminal.out(JSON.stringify({ ok: checked.wrong.length === 0, copied, ...checked }))
      else {
        if (copied !== null)
          terminal.out(
            `copied ${copied.batches} batches of ${copied.actors - copied.complete} actors; ${copied.complete} were there already`,
          )
        for (const line of checked.wrong) terminal.err(`troupe: ${line}`)
        if (checked.wrong.length === 0)
          terminal.out(
            `checked ${checked.actors} actors, ${checked.batches} batches, ${checked.hints} wake-up hints: both stores are the same`,
          )
      }
      if (checked.wrong.length > 0)
        throw failed(`${checked.wrong.length} differences: nodes wrote meanwhile, or the source is damaged (troupe verify --all)`)
    } finally {
      await to.close()
    }
  } catch (error) {
    if (error instanceof CopyError || error instanceof StoreError) throw new CliError(1, `${error.message}. What was copied stays`, error)
    throw error
  } finally {
    await from.close()
  }
}

/** Not each step is told. */
function paced(terminal: Terminal): (text: string) => void {
  let toldAt = -Infinity
  return (text) => {
    const now = systemClock.mono()
    if (now - toldAt < TELL_EVERY_MS) return
    toldAt = now
    terminal.status(text)
  }
}

const WRONG_MAX = 100

interface Compared {
  actors: number
  batches: number
  hints: number
  /** What differs, one line each, at most a hundred. */
  readonly wrong: string[]
}

/** Chains, snapshots, hints and shared values of both. Equal heads of whole chains mean equal journals (J3). */
async function compare(from: Store, to: Store, said: (actors: number) => void): Promise<Compared> {
  const found: Compared = { actors: 0, batches: 0, hints: 0, wrong: [] }
  const differs = (line: string): void => void (found.wrong.length < WRONG_MAX && found.wrong.push(line))
  for (const key of COPIED_META) {
    const [mine, its] = [await from.meta(key), await to.meta(key)]
    if (mine !== null && (its === null || Buffer.compare(mine, its) !== 0)) differs(`the value '${key}' is another`)
  }
  let after: string | null = null
  for (;;) {
    const [actors, its]: string[][] = await Promise.all([from.actors(after, ACTORS_PAGE), to.actors(after, ACTORS_PAGE)])
    if (actors === undefined || its === undefined || actors.length + its.length === 0) break
    const there = new Set(its)
    const last = actors.length < ACTORS_PAGE ? null : actors.at(-1)
    for (const actor of its)
      if (!actors.includes(actor) && (last === null || last === undefined || actor <= last)) differs(`${actor}: only the target has it`)
    const waiting = actors.filter((actor) => there.has(actor) || (differs(`${actor}: the target lacks it`), false))
    const workers = Array.from({ length: Math.min(CHECKED_AT_ONCE, waiting.length) }, async () => {
      for (let actor = waiting.shift(); actor !== undefined; actor = waiting.shift()) {
        const batches = await compareActor(from, to, actor, differs)
        found.batches += batches
        said(++found.actors)
      }
    })
    await Promise.all(workers)
    if (actors.length === 0) break
    after = actors.at(-1) as string
  }
  found.hints = await compareHints(from, to, differs)
  return found
}

async function compareActor(from: Store, to: Store, actor: string, differs: (line: string) => void): Promise<number> {
  const [mine, its] = await Promise.all([walkChain(from, actor), walkChain(to, actor)])
  if (!mine.ok) differs(`${actor}: the source is damaged at batch ${mine.n}: ${mine.why}`)
  else if (!its.ok) differs(`${actor}: the target is wrong at batch ${its.n}: ${its.why}`)
  else if (mine.head !== its.head || mine.batches !== its.batches || mine.entries !== its.entries)
    differs(`${actor}: the target has ${its.batches} batches with ${its.entries} entries, the source ${mine.batches} with ${mine.entries}`)
  const [left, right] = await Promise.all([from.load(actor), to.load(actor)])
  const [a, b] = [left?.snapshot, right?.snapshot]
  if (a?.n !== b?.n || (a != null && b != null && (Buffer.compare(a.bytes, b.bytes) !== 0 || a.pages.size !== b.pages.size)))
    differs(`${actor}: the snapshot is another`)
  return mine.ok ? mine.batches : 0
}

/** Every actor must wake in the copy no later than in the source: keys of records differ, whose older places are gone. */
async function compareHints(from: Store, to: Store, differs: (line: string) => void): Promise<number> {
  const [mine, its] = [await earliest(from), await earliest(to)]
  for (const [actor, due] of mine.due) {
    const there = its.due.get(actor)
    if (there === undefined || there > due) differs(`${actor}: its wake-up hint is missing`)
  }
  return mine.hints
}

async function earliest(store: Store): Promise<{ readonly hints: number; readonly due: ReadonlyMap<string, number> }> {
  const due = new Map<string, number>()
  let hints = 0
  let last: Awaited<ReturnType<Store['hints']>>[number] | undefined
  for (;;) {
    const page = await store.hints(Number.MAX_VALUE, ACTORS_PAGE, last)
    for (const hint of page) due.set(hint.actor, Math.min(hint.due, due.get(hint.actor) ?? Infinity))
    hints += page.length
    last = page.at(-1)
    if (last === undefined) return { hints, due }
  }
}
