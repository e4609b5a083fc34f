/** group-commit: a node has one commit under way at a time, and an actor at most one batch in it; what came meanwhile waits. (J6) */
import type { MakeCheck } from '../check.ts'

export const groupCommit: MakeCheck = (facts, fail) => ({
  name: 'group-commit',
  proposed: (life, group) => {
    if (life.store.counts.commitsUnderWay > 1) fail(`${life.id} has ${life.store.counts.commitsUnderWay} commits under way`)
    if (new Set(group.appends.map(({ actor }) => actor)).size !== group.appends.length)
      fail(`${life.id} has two batches of one actor in one commit`)
    if (group.appends.length > 1) facts.count('group of several')
    if (group.appends.some(({ entries }) => entries > 1)) facts.count('batch of several')
  },
})
