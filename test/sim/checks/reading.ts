/** reading: an actor that was only asked, never sent to, has no journal. (J2) */
import type { MakeCheck } from '../check.ts'

export const reading: MakeCheck = (_facts, fail) => ({
  name: 'reading',
  applied: ({ actor, by }) => {
    if (actor.includes('/ghost-')) fail(`${by} wrote for ${actor}, which was only read`)
  },
})
