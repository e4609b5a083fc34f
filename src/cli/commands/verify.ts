/** `verify`: walks the hash chain of one actor or of all, straight from the store; a node may run meanwhile. */
import type { Command } from 'commander'
import { systemClock } from '../../base/system.ts'
import { StoreError, type Store } from '../../store/store.ts'
import { walkChain, type ChainVerdict } from '../../actors/chain.ts'
import { CliError, failed, misused } from '../failure.ts'
import { actorArgument, common, flag } from '../flags.ts'
import { example } from '../help.ts'
import { openThere } from '../store-place.ts'
import type { Terminal } from '../terminal.ts'

interface VerifyFlags {
  readonly all?: true
  readonly store: string
  readonly json?: true
}

const ACTORS_PAGE = 1000
const TELL_EVERY_MS = 200

export function verifyCommand(program: Command, terminal: Terminal): void {
  common(program.command('verify').argument('[actor]', 'type/key, as in user/alice'))
    .addOption(flag('--all', 'every actor of the store'))
    .addOption(flag('--store <where>', 'sqlite:DIR or mongodb://…').default('sqlite:.troupe'))
    .addOption(flag('--json', 'print the result as JSON'))
    .summary('check that journals are whole and untouched')
    .description(
      `Walks the journal of an actor, or of all, and checks that no batch is missing, changed or out of place: each carries the hash of the
one before. Reads the store directly and changes nothing; a node may run meanwhile. Exit 1 and the batch when something is wrong.`,
    )
    .addHelpText(
      'after',
      example(`
        troupe verify user/alice
        troupe verify --all --store sqlite:/var/lib/troupe
        troupe verify --all --json | jq .wrong`),
    )
    .action(async (actor: string | undefined, flags: VerifyFlags) => {
      if ((actor === undefined) === (flags.all !== true)) throw misused('name one actor, as in user/alice, or give --all')
      const id = actor === undefined ? null : actorArgument(actor)
      const store = await openThere('--store', flags.store)
      try {
        if (id === null) await verifyAll(store, flags, terminal)
        else await verifyOne(store, `${id.type}/${id.key}`, flags, terminal)
      } finally {
        await store.close()
      }
    })
}

async function verifyOne(store: Store, actor: string, flags: VerifyFlags, terminal: Terminal): Promise<void> {
  const verdict = await walk(store, actor, (batches) => terminal.status(`${actor}: ${batches} batches`))
  if (verdict.ok && verdict.batches === 0) throw failed(`${actor} has no journal in this store`)
  if (flags.json) terminal.out(JSON.stringify(verdict))
  else if (verdict.ok) terminal.out(okLine(verdict))
  if (!verdict.ok) throw failed(wrongLine(verdict))
}

async function verifyAll(store: Store, flags: VerifyFlags, terminal: Terminal): Promise<void> {
  const sum = { actors: 0, batches: 0, entries: 0, emptied: 0 }
  const wrong: Extract<ChainVerdict, { ok: false }>[] = []
  let after: string | null = null
  let toldAt = -Infinity
  for (;;) {
    const page = await store.actors(after, ACTORS_PAGE)
    for (const actor of page) {
      const verdict = await walk(store, actor, () => undefined)
      sum.actors += 1
      if (verdict.ok) {
        sum.batches += verdict.batches
        sum.entries += verdict.entries
        sum.emptied += verdict.emptied
      } else {
        wrong.push(verdict)
        if (!flags.json) terminal.err(`troupe: ${wrongLine(verdict)}`)
      }
      const now = systemClock.mono()
      if (now - toldAt < TELL_EVERY_MS) continue
      toldAt = now
      terminal.status(`${sum.actors} actors, ${sum.batches} batches, ${wrong.length} wrong; now ${actor}`)
    }
    after = page.at(-1) ?? null
    if (after === null) break
  }
  if (flags.json)
    terminal.out(JSON.stringify({ ok: wrong.length === 0, ...sum, wrong: wrong.map(({ actor, n, why }) => ({ actor, n, why })) }))
  else if (wrong.length === 0) terminal.out(`${sum.actors} actors, ${sum.batches} batches, ${sum.entries} entries: every chain is whole`)
  if (wrong.length > 0)
    throw failed(
      `${wrong.length} of ${sum.actors} actors have a broken journal; keep a copy of the store as it is and restore from a backup`,
    )
}

/** The store's own finding that a journal is damaged is a verdict, not the end of the walk over the others. */
async function walk(store: Store, actor: string, seen: (batches: number) => void): Promise<ChainVerdict> {
  let batches = 0
  try {
    return await walkChain(store, actor, (so) => seen((batches = so)))
  } catch (error) {
    if (error instanceof StoreError && error.reason === 'corrupt') return { ok: false, actor, n: batches + 1, why: error.message }
    throw error instanceof StoreError ? new CliError(1, error.message, error) : error
  }
}

function okLine({ actor, batches, entries, emptied, head }: Extract<ChainVerdict, { ok: true }>): string {
  return `${actor}: ${batches} batches, ${entries} entries${emptied === 0 ? '' : `, ${emptied} emptied`}: the chain is whole, head ${head ?? 'none'}`
}

function wrongLine({ actor, n, why }: Extract<ChainVerdict, { ok: false }>): string {
  return `${actor}: batch ${n} is wrong: ${why}`
}
