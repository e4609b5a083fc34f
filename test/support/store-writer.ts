/**
 * A process that appends to a store as fast as it can, to be killed: `store-writer.ts DIR SLOT`.
 * It claims actors of its slot and actors that others claim too, and prints `+ COMMIT-ID` only after 'committed'.
 */
import { sqliteStore } from '../../src/store/sqlite.ts'
import { claimOf, group, Writer } from '../store/builder.ts'

const [dir = '', slot = ''] = process.argv.slice(2)
// A small checkpoint size, so that kills hit checkpoints too.
const store = await sqliteStore({ dir, patienceMs: 30_000, checkpointBytes: 128 * 1024 })
await say('open\n')
const names = [...Array.from({ length: 5 }, (_, i) => `user/${slot}.${i}`), 'shared/0']
const claim = async (actor: string): Promise<Writer> => Writer.of(actor, await store.claim(actor, claimOf(`node-${slot}`)))
const writers = await Promise.all(names.map(claim))

for (let round = 1; ; round++) {
  const appends = writers.map((writer) => writer.next(`${slot} ${round}`, { hintDue: round % 7 === 0 ? round : null }))
  const snapshots = round % 3 === 0 ? writers.map((writer) => writer.snapshot(`state ${round}`)) : []
  const { verdicts, ref } = await store.commit(group(appends, { snapshots }))
  let acknowledged = ''
  for (let i = 0; i < appends.length; i++) {
    const append = appends[i] as (typeof appends)[number]
    if (verdicts[i] === 'committed') {
      writers[i]?.done(append, ref)
      acknowledged += `+ ${Buffer.from(append.commitId).toString('hex')}\n`
    } else writers[i] = await claim(append.actor)
  }
  if (acknowledged !== '') await say(acknowledged)
}

/** Waits until the text is in the pipe, so that no more is committed than is told. */
function say(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()))
}
