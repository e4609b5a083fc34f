/** Somebody who says what nobody should: no frames, a forged ticket, requests before or without a welcome, actors that are not his. Nothing of it may come about. */
import type { Draw } from '../../src/testing/draw.ts'
import type { Wire } from '../../src/testing/sockets.ts'
import type { GatewaySim } from './gateway-sim.ts'

const STAYS_MS = 5_000

export function stranger(sim: GatewaySim, number: number, draw: Draw): void {
  const { core, swarm } = sim
  const host = draw.of(Array.from({ length: swarm.nodes }, (_, i) => `n${i + 1}`))
  const event = (id: number): string =>
    JSON.stringify({ t: 'send', id, to: draw.of(swarm.actors), type: 'add', data: { id: `x${number}` }, seq: id, base: 1 })
  const words: readonly (() => string)[] = [
    () => draw.text(40),
    () => '{"t":"connect","ticket":"W10.AAAA"}',
    () => JSON.stringify({ t: 'connect', token: draw.text(10) }),
    // Somebody, but without a right to any of these actors.
    () => JSON.stringify({ t: 'connect', token: JSON.stringify({ sub: `stranger-${number}` }) }),
    () => event(draw.whole(1, 3)),
    () => JSON.stringify({ t: 'subscribe', id: 7, to: draw.of(swarm.actors), topic: draw.of(['feed', '__proto__'] as const) }),
    () => JSON.stringify({ t: 'unsubscribe', id: 8, sub: draw.whole(-1, 9) }),
    () => JSON.stringify({ t: 'history', id: 9, from: -1, limit: 1e9 }),
    () => `${'['.repeat(draw.whole(1, 200))}`,
  ]
  const said = Array.from({ length: draw.whole(1, 8) }, () => draw.of(words)())
  const stays = draw.chance(0.7)
  const wire: Wire = core.sockets.open(`ws://${host}/`, {
    opened: () => {
      for (const word of said) wire.send(word)
      if (!stays) wire.reset()
    },
    message: (text) => {
      if (String(text).includes('"t":"welcome"')) sim.count('stranger welcomed')
      if (String(text).includes('"denied"')) sim.count('stranger denied')
    },
    closed: () => sim.count('stranger gone'),
  })
  core.time.after(draw.float() * STAYS_MS, () => wire.close(1000, ''))
}
