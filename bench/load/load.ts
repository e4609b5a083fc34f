/** The load process: makes sockets and events as its parent asks. One command at a time. */
import { serveParent } from '../harness/child.ts'
import { percentiles, type Percentiles } from '../harness/statistics.ts'
import { DIALECTS, type DialectName } from './dialects.ts'
import { EventLoad, type PhasePlan, type PhaseResult } from './events.ts'
import { fanOut, type FanOutPlan, type FanOutResult } from './fan-out.ts'
import { Fleet } from './fleet.ts'

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

serveParent(
  { ports: [], pids: {} },
  {
    open: async (command: OpenCommand): Promise<Opened> => {
      fleet = new Fleet(DIALECTS[command.dialect])
      load = null
      const { user } = command
      const plan = { ...command, dialect: fleet.dialect, name: (socket: number) => user ?? `u${socket}` }
      const { ms, handshakesMs } = await fleet.open(plan)
      return { ms, perSecond: (command.sockets * 1000) / ms, handshakeMs: percentiles(handshakesMs) }
    },
    closed: ({ plan, outstanding }: { plan: PhasePlan; outstanding: number }): Promise<PhaseResult> => events().closed(plan, outstanding),
    openLoop: ({ plan, rate }: { plan: PhasePlan; rate: number }): Promise<PhaseResult> => events().open(plan, rate),
    fanOut: (plan: FanOutPlan): Promise<FanOutResult> => fanOut(opened(), plan),
    lost: () => ({ lost: opened().lost, why: opened().firstLoss }),
    close: async () => {
      await fleet?.close()
      fleet = load = null
    },
  },
)

function opened(): Fleet {
  if (fleet === null) throw new Error('open first')
  return fleet
}

function events(): EventLoad {
  load ??= new EventLoad(opened())
  return load
}
