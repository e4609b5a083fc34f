/** gate: nothing reaches a socket before the batch of what it shows is durable: no reply, answer, page or note; and what it shows is what became durable. (J7, D2) */
import type { ClientFrame, OkReply } from '../../../src/protocol/frames.ts'
import type { MakeGatewayCheck, SeenSocket } from '../gateway-check.ts'
import { typeOf } from '../sim-app.ts'

interface Sum {
  readonly n?: number
  readonly h?: number
}

export const gate: MakeGatewayCheck = (facts, fail) => {
  const refusals = new Set<string>()
  const early = (actor: string, offset: number, what: string, socket: SeenSocket): void => {
    const durable = facts.ledger(actor)?.durableOffset ?? 0
    if (offset > durable)
      fail(`${what} of ${socket.process.name} shows offset ${offset} of ${actor} while ${durable} is the newest durable one`)
  }
  /** A view's value, or the answer of the query of that name. */
  const summed = (actor: string, offset: number, data: unknown, what: string, socket: SeenSocket): void => {
    const { n, h } = (data ?? {}) as Sum
    if (n === undefined || h === undefined) return
    const due = facts.ledger(actor)?.hashAt(n) ?? (n === 0 ? 0 : undefined)
    if (n !== offset || due !== h)
      fail(`${what} of ${socket.process.name} shows ${n} events of ${actor} at offset ${offset}, which its journal does not begin with`)
  }
  const replied = (socket: SeenSocket, frame: OkReply, asked: ClientFrame): void => {
    if (!('to' in asked) && asked.t !== 'send' && asked.t !== 'query' && asked.t !== 'subscribe' && asked.t !== 'history') return
    const actor = asked.to ?? socket.actor
    const { durable } = typeOf(actor)
    const offset = frame.offset ?? 0
    const what = `a reply to '${asked.t}'`
    if (asked.t === 'send') {
      if (durable && frame.durable !== true) fail(`${what} to ${actor} says that it is not durable`)
      if (frame.durable === true) early(actor, offset, what, socket)
      const entry = facts.ledger(actor)?.entries[offset - 1]
      const { id } = (asked.data ?? {}) as { readonly id?: string }
      if (frame.durable === true && typeOf(actor).journal && entry?.id !== id)
        fail(`${what} ${id} names offset ${offset} of ${actor}, where ${entry?.id ?? 'nothing'} is`)
      return
    }
    if (!durable) return
    early(actor, offset, what, socket)
    if (asked.t === 'subscribe' || (asked.t === 'query' && asked.name === 'sum')) summed(actor, offset, frame.data, what, socket)
    for (const entry of frame.entries ?? []) shown(actor, entry.offset, entry.data, what, socket)
  }
  const shown = (actor: string, offset: number, data: unknown, what: string, socket: SeenSocket): void => {
    early(actor, offset, what, socket)
    const entry = facts.ledger(actor)?.entries[offset - 1]
    if (typeOf(actor).journal && JSON.stringify(entry?.recorded) !== JSON.stringify(data))
      fail(`${what} shows at offset ${offset} of ${actor} what is not there`)
  }
  return {
    name: 'gate',
    placed: ({ actor, body }) => {
      for (const [source, seq] of body?.r ?? []) refusals.add(`${actor} ${source} ${seq}`)
    },
    wrote: (socket, frame, asked) => {
      if (frame.t === 'note') {
        const topic = socket.topics.get(frame.sub)
        if (topic === undefined) return fail(`${socket.process.name} wrote a note of the subscription ${frame.sub}, which is not there`)
        if (!typeOf(topic.actor).durable) return
        const what = `a note of '${topic.topic}'`
        if (frame.type !== undefined) shown(topic.actor, frame.offset, frame.data, what, socket)
        else early(topic.actor, frame.offset, what, socket)
        if (frame.type === undefined) summed(topic.actor, frame.offset, frame.data, what, socket)
        facts.count('note at the gate')
      }
      if (frame.t !== 'reply' || asked === undefined) return
      if (frame.ok) return replied(socket, frame, asked)
      if (asked.t !== 'send' || asked.seq === undefined || frame.error.code !== 'refused') return
      const actor = asked.to ?? socket.actor
      const { durable, journal } = typeOf(actor)
      if (durable && journal && !refusals.has(`${actor} session:${socket.session} ${asked.seq}`))
        fail(`the refusal of number ${asked.seq} to ${actor} reached a socket of ${socket.process.name} before it was durable`)
    },
  }
}
