/** debounce: at most one note a window for each upstream of a signal or view. That the last one comes is 'followers'. (D7) */
import type { MakeCheck } from '../check.ts'
import { SIGNAL_EVERY_MS, VIEW_EVERY_MS } from '../sim-app.ts'

export const debounce: MakeCheck = (facts, fail) => {
  const sent = new Map<object, { us: number; offset: number }>()
  return {
    name: 'debounce',
    noted: ({ name, actor, topic }, note, upstream, life) => {
      const before = sent.get(upstream)
      sent.set(upstream, { us: facts.world.nowUs, offset: note.offset })
      if (before === undefined) return
      if (note.offset <= before.offset)
        fail(`${name} got offset ${note.offset} of ${actor} ${topic} after ${before.offset} from ${life.id}`)
      if (note.type !== undefined) return
      const windowMs = topic === 'sum' ? VIEW_EVERY_MS : SIGNAL_EVERY_MS
      const gapMs = (facts.world.nowUs - before.us) / 1000
      if (gapMs < windowMs - 0.01)
        fail(`${name} got two notes of ${actor} ${topic} within ${gapMs} ms from ${life.id}; the window is ${windowMs}`)
    },
  }
}
