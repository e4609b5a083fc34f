/** The load process: makes sockets and events as its parent asks. One command at a time. */
import { serveParent } from '../harness/child.ts'
import { percentiles, type Percentiles } from '../harness/statistics.ts'
import { DIALECTS, type DialectName } from './dialects.ts'
import { EventLoad, type PhasePlan, type PhaseResult } from './events.ts'
import { fanOut, type FanOutPlan, type FanOutResult } from './fan-out.ts'
import { Fleet } from './fleet.ts'
import { ManyActors, type ManyActorsPlan, type ManyActorsResult } from './many-actors.ts'
import { Overload, type OverloadPlan, type OverloadResult } from './overload.ts'
import { Probes, type ProbeCounts, type ProbePlan, type Window } from './probes.ts'
import { SlowReader, type SlowPhase, type SlowPhasePlan, type SlowPlan, type SlowResult } from './slow-reader.ts'

export interface OpenCommand {
  readonly dialect: DialectName
  readonly ports: readonly number[]
  readonly sockets: number
  /** All sockets are of this user; null: each is of its own, `u0`, `u1` … */
  readonly user: string | null
  readonly concurrency: number
}
export interface Opened {
  readonly ms: number
  readonly perSecond: number
  readonly handshakeMs: Percentiles
}

let fleet: Fleet | null = null
let load: EventLoad | null = null
let actors: ManyActors | null = null
let probes: Probes | null = null
let slow: SlowReader | null = null
let overload: Overload | null = null

serveParent(
  { ports: [], pids: {} },
  {
    open: async (command: OpenCommand): Promise<Opened> => {
      fleet = new Fleet(DIALECTS[command.dialect])
      load = actors = probes = slow = overload = null
      const { user } = command
      const plan = { ...command, dialect: fleet.dialect, name: (socket: number) => user ?? `u${socket}` }
      const { ms, handshakesMs } = await fleet.open(plan)
      return { ms, perSecond: (command.sockets * 1000) / ms, handshakeMs: percentiles(handshakesMs) }
    },
    closed: ({ plan, outstanding }: { plan: PhasePlan; outstanding: number }): Promise<PhaseResult> => events().closed(plan, outstanding),
    openLoop: ({ plan, rate }: { plan: PhasePlan; rate: number }): Promise<PhaseResult> => events().open(plan, rate),
    fanOut: (plan: FanOutPlan): Promise<FanOutResult> => fanOut(opened(), plan),
    touchActors: (count: number): Promise<void> => (actors ??= new ManyActors(opened(), count)).touch(),
    manyActors: (plan: ManyActorsPlan): Promise<ManyActorsResult> => (actors as ManyActors).closed(plan),
    probe: (plan: ProbePlan) => {
      probes = new Probes(opened(), plan)
      probes.start()
    },
    probed: (): Promise<ProbeCounts> => probing().stop(),
    waits: (window: Window): Float64Array => probing().waits(window),
    latency: (window: Window & { readonly sockets: readonly number[] }): Percentiles => probing().latency(window),
    firstAnswers: ({ after }: { after: number }): Float64Array => probing().firstAnswers(after),
    recordedCounts: (): Promise<Float64Array> => probing().recorded(),
    slowReader: (plan: SlowPlan): Promise<void> => (slow = new SlowReader(opened(), plan)).open(),
    slowPhase: (plan: SlowPhasePlan): Promise<SlowPhase> => (slow as SlowReader).phase(plan),
    slowEnd: (): Promise<SlowResult> => (slow as SlowReader).end(),
    overload: ({ plan, normalMs }: { plan: OverloadPlan; normalMs: number | null }): Promise<OverloadResult> =>
      (overload ??= new Overload(opened())).run(plan, normalMs),
    lost: () => ({ lost: opened().lost, why: opened().firstLoss }),
    close: async () => {
      await fleet?.close()
      fleet = load = actors = probes = slow = overload = null
    },
  },
)

function opened(): Fleet {
  if (fleet === null) throw new Error('open first')
  return fleet
}

function probing(): Probes {
  if (probes === null) throw new Error('probe first')
  return probes
}

function events(): EventLoad {
  load ??= new EventLoad(opened())
  return load
}
