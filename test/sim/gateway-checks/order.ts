/** order: what one session sends to one actor is applied in the order of its numbers, which are those of the calls, across its connections and gateways. (D1) */
import { rootOf } from '../checks/effects.ts'
import type { MakeGatewayCheck } from '../gateway-check.ts'

export const order: MakeGatewayCheck = (facts, fail) => {
  const last = new Map<string, { readonly seq: number; readonly id: string }>()
  const numberOf = (id: string): number => Number(rootOf(id).slice(1))
  return {
    name: 'order',
    placed: ({ actor, body }) => {
      for (const [, data, , , source, seq = 0] of body?.e ?? []) {
        if (source === undefined || !source.startsWith('session:') || seq === 0) continue
        const { id = '' } = (data ?? {}) as { readonly id?: string }
        const lane = `${source} ${actor}`
        const before = last.get(lane)
        last.set(lane, { seq, id })
        if (before === undefined) continue
        if (seq <= before.seq) fail(`${id} with number ${seq} of ${source} came into ${actor} after ${before.id} with number ${before.seq}`)
        // Ids are given in the order of the calls.
        if (numberOf(id) < numberOf(before.id)) fail(`${id} of ${source} came into ${actor} after ${before.id}, which was sent later`)
        facts.count('entry of a session')
      }
    },
  }
}
