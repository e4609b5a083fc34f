import { describe, expect, it } from 'vitest'
import type { Activation } from '../../src/actors/activation.ts'
import { Directory } from '../../src/actors/directory.ts'
import type { Host } from '../../src/actors/host.ts'
import { fail } from '../../src/errors.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const NEWER = fail('moved', 'newer')

describe('actors that cannot be activated', () => {
  it('are remembered a little while, the newest of them: those that nobody asks for again leave room (J8)', async () => {
    const clock = new VirtualClock()
    const directory = new Directory({ clock, dead: false } as unknown as Host)
    const ends = (id: string): void => directory.remove({ id } as Activation, 'newer', NEWER)
    for (let i = 0; i < 10_000; i++) ends(`v/${i}`)
    ends('v/0') // again: now one of the newest
    ends('v/one-more')
    expect(['v/0', 'v/1', 'v/2', 'v/one-more'].map((id) => directory.broken(id))).toEqual([NEWER, null, NEWER, NEWER])
    await clock.run(1000)
    expect(['v/2', 'v/one-more'].map((id) => directory.broken(id))).toEqual([null, null])
  })
})
