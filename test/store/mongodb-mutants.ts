/**
 * What would go wrong with the MongoDB store without each of its rules: one small change of the production code a row. `caughtBy` is a test that
 * fails then; `npm run sim:mutants -- --kind mongodb` shows it.
 */
import type { Mutant } from '../sim/mutate.ts'

export interface MongodbMutant extends Mutant {
  /** Below test/store/. */
  readonly test: string
  /** A part of its title. */
  readonly caughtBy: string
}

const APPENDS = 'store/mongodb-appends.ts'
const BULK = 'store/mongodb-bulk.ts'
const CLAIMS = 'store/mongodb-claims.ts'
const FAULTS = 'mongodb-faults.test.ts'
const MEETINGS = 'mongodb-claims.test.ts'
const CONTRACT = 'mongodb.test.ts'

export const MONGODB_MUTANTS: readonly MongodbMutant[] = [
  {
    rule: 'J1',
    name: 'the fence is not in the filter of a record',
    file: APPENDS,
    find: `q: { _id: append.actor, n: append.n - 1, r: { $exists: false } }`,
    replace: `q: { _id: append.actor }`,
    test: CONTRACT,
    caughtBy: "J10 'none': one record, compared and set",
  },
  {
    rule: 'J1',
    name: 'E11000 counts as success',
    file: APPENDS,
    find: `    case 'exists':
      return 'taken'`,
    replace: `    case 'exists':
      return 'committed'`,
    test: CONTRACT,
    caughtBy: 'exactly one is committed',
  },
  {
    rule: 'S1',
    name: 'the place before is not asked for',
    file: APPENDS,
    find: `mode === 'append' && n > 1 && !link.places.reaches(actor, n - 1)`,
    replace: `mode === 'append' && n > 1 && n < 0 && !link.places.reaches(actor, n - 1)`,
    test: CONTRACT,
    caughtBy: 'S1 an append is taken only at the newest place plus one',
  },
  {
    rule: 'S2',
    name: 'the first taken place stops the rest of the group',
    file: BULK,
    find: `return { insert: collection, documents: chosen, ordered: false }`,
    replace: `return { insert: collection, documents: chosen, ordered: true }`,
    test: CONTRACT,
    caughtBy: 'S2 one append whose place is taken',
  },
  {
    rule: 'J4',
    name: 'a lost answer counts as failed',
    file: BULK,
    find: `      if (failure === 'doubt') doubted = inDoubt(link, outcomes, open)
`,
    replace: `      if (failure === 'doubt') return
`,
    test: FAULTS,
    caughtBy: 'unknown is said, and never refused',
  },
  {
    rule: 'J4',
    name: 'refused after a try in doubt counts',
    file: BULK,
    find: `if (failure === 'rejected' || (failure === 'unsent' && !doubted)) return`,
    replace: `if (failure === 'unsent') for (const i of open) outcomes[i] = 'refused'
      if (failure !== 'doubt') return`,
    test: FAULTS,
    caughtBy: 'still unknown, as something was sent',
  },
  {
    rule: 'J4',
    name: 'what may be an own earlier try is not looked up',
    file: APPENDS,
    find: `return own.has(append) ? 'committed' : 'taken'`,
    replace: `return 'taken'`,
    test: FAULTS,
    caughtBy: 'after it was applied: the same bytes are sent again',
  },
  {
    rule: 'J4',
    name: 'whatever holds the place after a doubt is taken for the own try',
    file: APPENDS,
    find: `return own.has(append) ? 'committed' : 'taken'`,
    replace: `return 'committed'`,
    test: FAULTS,
    caughtBy: 'while another owner takes the place',
  },
  {
    rule: 'M2',
    name: 'a write concern error counts as success',
    file: BULK,
    find: `reply.shaky ? uncertain(link, reply, open, outcomes, doubted) : certain(link, reply, open, outcomes, doubted)`,
    replace: `certain(link, reply, open, outcomes, doubted)`,
    test: FAULTS,
    caughtBy: 'a write concern error is no success',
  },
  {
    rule: 'M2',
    name: 'E11000 with a write concern error counts as taken',
    file: BULK,
    find: `if (error.code === DUPLICATE_KEY || isPassing(error.code)) continue
    out.add(error.index)`,
    replace: `if (isPassing(error.code)) continue
    out.add(error.index)
    outcomes[open[error.index] as number] = 'exists'
    if (error.code === DUPLICATE_KEY) continue`,
    test: FAULTS,
    caughtBy: 'E11000 with a write concern error says nothing',
  },
  {
    rule: 'S3',
    name: 'one member is enough',
    file: 'store/mongodb-link.ts',
    find: `const DURABLE = { w: 'majority', j: true } as const`,
    replace: `const DURABLE = { w: 1, j: true } as const`,
    test: FAULTS,
    caughtBy: 'every write waits for a majority',
  },
  {
    rule: 'J5',
    name: 'an older snapshot replaces a newer',
    file: 'store/mongodb-snapshots.ts',
    find: `return { q: { _id: actor, n: { $lt: n } },`,
    replace: `return { q: { _id: actor },`,
    test: CONTRACT,
    caughtBy: 'an older snapshot is dropped',
  },
  {
    rule: 'D3',
    name: 'a snapshot that is lost is passed over',
    file: 'store/mongodb-snapshots.ts',
    find: `  throwIfLost(link, outcomes)
`,
    replace: '',
    test: MEETINGS,
    caughtBy: 'D3 one that is not certainly written fails the commit',
  },
  {
    rule: 'D3',
    name: 'pages that went away are not missed',
    file: 'store/mongodb-reads.ts',
    find: `const bytes = pages.size === versions.length ? await`,
    replace: `const bytes = pages.size <= versions.length ? await`,
    test: MEETINGS,
    caughtBy: 'D3 who reads while a newer one takes its pages away',
  },
  {
    rule: 'D5',
    name: 'the hint goes after its batch',
    file: APPENDS,
    find: `  const [parts, hints] = await Promise.all([
    Promise.all(appends.map(({ actor: a, n, commitId: c, bytes }) => writeParts(link, { a, n, c }, bytes))),
    writeHints(link, appends),
  ])`,
    replace: `  const early = await putAll(link, appends)
  if (early.every((verdict) => verdict !== 'committed')) return early
  const [parts, hints] = await Promise.all([
    Promise.all(appends.map(({ actor: a, n, commitId: c, bytes }) => writeParts(link, { a, n, c }, bytes))),
    writeHints(link, appends),
  ])`,
    test: MEETINGS,
    caughtBy: 'is durable before its batch; without it the batch is not sent',
  },
  {
    rule: 'D5',
    name: 'the hint of a taken place goes, whoever made it',
    file: APPENDS,
    find: `made: hints[i] === 'done' }`,
    replace: `made: hints[i] !== null }`,
    test: MEETINGS,
    caughtBy: 'stays when a repeat finds its own batch',
  },
  {
    rule: 'D5',
    name: 'owners of one place share the hint',
    file: APPENDS,
    find: `{ _id: { d: hintDue, a, n, c }, a }`,
    replace: `{ _id: { d: hintDue, a, n, c: c.subarray(0, 0) }, a }`,
    test: MEETINGS,
    caughtBy: 'of the owner that won is its own',
  },
  {
    rule: 'J2',
    name: 'a claim that collides never holds places',
    file: CLAIMS,
    find: `const COLLISIONS_BEFORE_HOLDING = 2`,
    replace: `const COLLISIONS_BEFORE_HOLDING = 1e9`,
    test: MEETINGS,
    caughtBy: 'holds the next places after two collisions',
  },
  {
    rule: 'K1',
    name: 'a held place is filled though a batch lies there',
    file: CLAIMS,
    find: `const q = { ...id, r: { $exists: true }, h: { $exists: false } }
  try {`,
    replace: `const q = { ...id }
  try {`,
    test: MEETINGS,
    caughtBy: 'rival claimers that hold places at once',
  },
  {
    rule: 'K1',
    name: 'readers see held places',
    file: 'store/mongodb-reads.ts',
    find: `$lte: { a: actor, n: last } }, h: { $exists: true } }`,
    replace: `$lte: { a: actor, n: last } } }`,
    test: MEETINGS,
    caughtBy: 'a held place is no batch',
  },
  {
    rule: 'K2',
    name: 'held places are not let go',
    file: CLAIMS,
    find: `if (outcome !== 'done' || collisions >= COLLISIONS_BEFORE_HOLDING) await letGo(link, actor, made.n)`,
    replace: ``,
    test: MEETINGS,
    caughtBy: 'holds the next places after two collisions',
  },
  {
    rule: 'J2',
    name: 'what others wrote after a claim passes for its own',
    file: CLAIMS,
    find: `if (loaded === null || loaded.n === n) return loaded`,
    replace: `if (loaded === null || loaded.n >= n) return loaded`,
    test: MEETINGS,
    caughtBy: 'what another owner wrote right after it',
  },
  {
    rule: 'D11',
    name: 'a deposed primary may answer a read proof',
    file: 'store/mongodb-reads.ts',
    find: `{ readConcern: { level: 'linearizable' } }`,
    replace: `{ readConcern: { level: 'majority' } }`,
    test: FAULTS,
    caughtBy: 'D11 a load and a read proof are asked',
  },
  {
    rule: 'S7',
    name: 'the driver’s words come out as they are',
    file: 'store/mongodb-options.ts',
    find: `for (const secret of secrets) clean = clean.replaceAll(secret, '***')`,
    replace: `clean = \`\${clean} \${[...secrets].join(' ')}\``,
    test: 'mongodb-opening.test.ts',
    caughtBy: 'what is wrong is said in one line without secrets',
  },
  {
    rule: 'J4',
    name: 'a claim that another owner has written over is made again under its commit id',
    file: CLAIMS,
    find: `      throw overtaken(link, actor)
    }
    link.counters.claimsAgain++`,
    replace: `    }
    link.counters.claimsAgain++`,
    test: MEETINGS,
    caughtBy: 'is not made again under its commit id',
  },
  {
    rule: 'J10',
    name: 'the pieces of a large record stay when the next one is small',
    file: APPENDS,
    find: `if (!large && !link.large.has(actor)) return`,
    replace: `if (!large) return`,
    test: FAULTS,
    caughtBy: 'they go with the next record, large or small',
  },
  {
    rule: 'J10',
    name: 'a record does not say beforehand that it will have pieces',
    file: 'store/mongodb-parts.ts',
    find: `if (items.length > 0) await writeAll(link, { collection: link.at.states`,
    replace: `if (items.length < 0) await writeAll(link, { collection: link.at.states`,
    test: FAULTS,
    caughtBy: 'the next claim drops what nobody had the time to',
  },
]
