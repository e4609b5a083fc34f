/** What is to be simulated: a scenario of a module, one made of what an app declares, or the built-in one. */
import type { App } from '../../actors/define.ts'
import { generatedScenario } from '../../testing/generated.ts'
import { sampleScenario } from '../../testing/sample-scenario.ts'
import type { Scenario } from '../../testing/scenario.ts'
import { loadModule } from '../app-module.ts'
import { failed } from '../failure.ts'

/** Paths; null: not named. */
export interface SubjectAsked {
  readonly module: string | null
  readonly scenario: string | null
}

export interface Subject {
  readonly scenario: Scenario
  readonly from: 'sample' | 'scenario' | 'generated'
  /** Events that a generated scenario cannot send, each with the reason. */
  readonly left: readonly string[]
}

export async function loadSubject({ module, scenario }: SubjectAsked): Promise<Subject> {
  if (scenario !== null) {
    const { default: found } = await loadModule(scenario)
    if (!isScenario(found)) throw failed(`${scenario} does not 'export default defineScenario(app, { operations: … })' of troupe/testing`)
    return { scenario: found, from: 'scenario', left: [] }
  }
  if (module === null) return { scenario: sampleScenario, from: 'sample', left: [] }
  const { default: main, scenario: named } = await loadModule(module)
  for (const found of [main, named]) if (isScenario(found)) return { scenario: found, from: 'scenario', left: [] }
  if ((main as Partial<App> | undefined)?.troupe !== 'app')
    throw failed(
      `${module} exports neither an app nor a scenario: 'export default app({ … })', or 'export default defineScenario(app, { … })'`,
    )
  const generated = generatedScenario(main as App)
  if (!generated.ok)
    throw failed(
      `no event of this app can be drawn (${generated.left.join('; ')}): write what users do, as in 'export default defineScenario(app, { operations: { add: ({ user, draw, send }) => send(\`user/\${user}\`, 'note.added', { text: draw.text(20) }) } })', and name that file by --scenario`,
    )
  return { scenario: generated.scenario, from: 'generated', left: generated.left }
}

function isScenario(value: unknown): value is Scenario {
  return (value as Partial<Scenario> | undefined)?.troupe === 'scenario'
}
