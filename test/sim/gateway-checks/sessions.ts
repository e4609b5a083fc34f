/**
 * sessions: a session goes on under its ticket at whichever gateway, and only there: a welcome that resumes names a session that was given out, of the same
 * user's actor; one that does not resume names a new one. A session has one open connection on a gateway: the one before is told. (D10)
 */
import type { MakeGatewayCheck } from '../gateway-check.ts'

export const sessions: MakeGatewayCheck = (facts, fail) => {
  const known = new Map<string, { readonly actor: string; node: string }>()
  return {
    name: 'sessions',
    wrote: (socket, frame) => {
      const { name } = socket.process
      if (frame.t === 'bye') {
        if (frame.code === 3008) facts.count('slow reader closed')
        if (frame.code === 3005) facts.count('expired ticket or token')
        if (frame.code === 3012) facts.count('silent client closed')
        if (frame.code === 3015) facts.count('moved by a drain')
        if (frame.code === 3510) facts.count('session replaced')
        return
      }
      if (frame.t === 'hint') return facts.count(`hint ${frame.kind}`)
      if (frame.t !== 'welcome') return
      const before = known.get(frame.session)
      if (frame.resumed !== (before !== undefined))
        fail(
          `${name} welcomed ${frame.session} as ${frame.resumed ? 'resumed' : 'new'}; it was ${before === undefined ? 'never given out' : `at ${before.node}`}`,
        )
      if (before !== undefined && before.actor !== frame.actor) fail(`${name} resumed the session of ${before.actor} for ${frame.actor}`)
      if (before !== undefined) facts.count(before.node === name ? 'resumed at the same gateway' : 'resumed at another gateway')
      known.set(frame.session, { actor: frame.actor, node: name })
    },
    sampled: (process, sockets) => {
      const open = new Set<string>()
      for (const { process: at, session, leaving } of sockets) {
        if (at !== process || session === '' || leaving) continue
        if (open.has(session)) fail(`${process.name} has two connections of ${session}`)
        open.add(session)
      }
    },
  }
}
