/**
 * What would go wrong between nodes without each rule: one small change of src/routing a row. The tests of this folder must notice every
 * one of them (`npm run sim:mutants -- --kind routing`).
 */
import type { Mutant } from '../sim/mutate.ts'

export const MUTANTS: readonly Mutant[] = [
  {
    rule: 'R1',
    name: 'requests need no credit',
    file: 'routing/asking-link.ts',
    find: `return this.#usedRequests < this.#grantedRequests && this.#usedBytes < this.#grantedBytes`,
    replace: `return this.#grantedRequests > 0`,
  },
  {
    rule: 'R1',
    name: 'credit does not come back with the answer',
    file: 'routing/answering-link.ts',
    find: `    this.#answeredRequests++
    this.#answeredBytes += bytes`,
    replace: `    this.#answeredBytes += bytes`,
  },
  {
    rule: 'R1',
    name: 'what waits for credit is not bounded',
    file: 'routing/asking-link.ts',
    find: `this.#waiting = new BoundedQueue(parts.options.linkQueue)`,
    replace: `this.#waiting = new BoundedQueue(Infinity)`,
  },
  {
    rule: 'D1',
    name: 'a send without identity crosses without one',
    file: 'routing/lanes.ts',
    find: `    const { actor, type, data, sender } = call
    return { actor, type, data, sender, key: this.#keyPrefix + (++this.#keys).toString(36) }`,
    replace: `    return call`,
  },
  {
    rule: 'D1',
    name: 'all sends without identity get the same one',
    file: 'routing/lanes.ts',
    find: `(++this.#keys).toString(36)`,
    replace: `this.#keys.toString(36)`,
  },
  {
    rule: 'D1',
    name: 'a send whose link was lost is not repeated',
    file: 'routing/lanes.ts',
    find: `    if (frame === null) this.#again(send, null)`,
    replace: `    if (frame === null) this.#finish(send, LATE)`,
  },
  {
    rule: 'order',
    name: 'later sends do not wait behind one that is repeated',
    file: 'routing/lanes.ts',
    find: `    if (lane.phase === 'flowing') lane.phase = 'settling'
    if (lane.phase === 'settling' && lane.asked === 0) this.#rest(lane)`,
    replace: `    this.#ask(lane, send)`,
  },
  {
    rule: 'order',
    name: 'a lane goes to its new owner before the old one has answered',
    file: 'routing/lanes.ts',
    find: `    else lane.phase = 'settling'
    return stays`,
    replace: `    else return this.#choose(lane)
    return true`,
  },
  {
    rule: 'order',
    name: 'a new send overtakes those that wait',
    file: 'routing/router.ts',
    find: `if (this.#lanes.size > 0 && this.#lanes.has(actor)) this.#lanes.take(call, order, done)
    else if (this.#local.has(actor))`,
    replace: `if (this.#local.has(actor))`,
  },
  {
    rule: 'order',
    name: '`moved` bars nothing',
    file: 'routing/answering-link.ts',
    find: `return this.#barred.size > 0 && this.#barred.has(actor)`,
    replace: `return this.#barred.size < 0 && this.#barred.has(actor)`,
  },
  {
    rule: 'order',
    name: 'a bar is never lifted',
    file: 'routing/answering-link.ts',
    find: `      this.#barred.delete(actor)
    }`,
    replace: `    }`,
  },
  {
    rule: 'hops',
    name: 'whoever is asked serves',
    file: 'routing/inbound.ts',
    find: `return local.has(actor) || (local.engine !== null && routes.mine(actor))`,
    replace: `return local.engine !== null || routes.mine(actor)`,
  },
  {
    rule: 'hops',
    name: '`moved` does not say who owns the actor',
    file: 'routing/inbound.ts',
    find: `routes.isSelf(owner) ? '' : owner.id`,
    replace: `routes.isSelf(owner) ? '' : owner.id.slice(9)`,
  },
  {
    rule: 'deadline',
    name: 'a deadline crosses as it was given',
    file: 'routing/forwarded-send.ts',
    find: `writeSend(out, id, this.leftMs, this.call, this.data)`,
    replace: `writeSend(out, id, this.call.timeoutMs ?? 10_000, this.call, this.data)`,
  },
  {
    rule: 'D8',
    name: 'notes of a superseded owner are taken',
    file: 'routing/remote-subscriptions.ts',
    find: `if (this.over || superseded(this.position, note)) return`,
    replace: `if (this.over) return`,
  },
  {
    rule: 'D8',
    name: 'a subscribe that a superseded owner answered is taken',
    file: 'routing/remote-subscriptions.ts',
    find: `return outcome.ok && superseded(this.position, outcome) ? MOVED : outcome`,
    replace: `return outcome`,
  },
  {
    rule: 'D8',
    name: 'subscriptions stay when the owner changes',
    file: 'routing/remote-subscriptions.ts',
    find: `if (!there && subscription.link !== null) moved.push(subscription)`,
    replace: `if (!there && subscription.link === null) moved.push(subscription)`,
  },
  {
    rule: 'D8',
    name: 'a lease never runs out',
    file: 'routing/leases.ts',
    find: `    lease.begin(state, upstream)
    this.parts.deadlines.begin(lease, this.parts.options.leaseMs)`,
    replace: `    lease.begin(state, upstream)`,
  },
  {
    rule: 'D8',
    name: 'leases are not renewed',
    file: 'routing/remote-subscriptions.ts',
    find: `    for (const [link, renewals] of byLink) link.renew(renewals)`,
    replace: `    byLink.clear()`,
  },
  {
    rule: 'D8',
    name: 'a renewal that nobody knows is not answered',
    file: 'routing/leases.ts',
    find: `        writeNumber(link.out, 'ended', renewal.sub)
        link.wrote()
        continue`,
    replace: `        continue`,
  },
  {
    rule: 'D8',
    name: 'a renewal proves nothing',
    file: 'routing/leases.ts',
    find: `    this.#prove(offset)
  }`,
    replace: `  }`,
  },
  {
    rule: 'D8',
    name: 'a follower here proves nothing',
    file: 'routing/remote-subscriptions.ts',
    find: `        this.#prove(subscription)
        continue`,
    replace: `        continue`,
  },
  {
    rule: 'D9',
    name: 'notes do not conflate on a crowded link',
    file: 'routing/leases.ts',
    find: `if (!this.link.crowded && this.#kept === null) {`,
    replace: `if (!this.link.over && this.#kept === null) {`,
  },
  {
    rule: 'H1',
    name: 'an actor counts as handed over before its new owner has it',
    file: 'routing/handoff.ts',
    find: `      link.askNow(new NodeRequest(deadlines, timeoutMs, (out, id) => writeBundle(out, id, timeoutMs, actor, bytes), told))`,
    replace: `      link.askNow(new NodeRequest(deadlines, timeoutMs, (out, id) => writeBundle(out, id, timeoutMs, actor, bytes), told))
      resolve(true)`,
  },
  {
    rule: 'H1',
    name: 'nothing is pulled',
    file: 'routing/pulls.ts',
    find: `    return this.#earlier.length > 0 && this.#parts.engine()?.has(actor) === false && this.#holder(actor, NOBODY) !== null`,
    replace: `    return this.#earlier.length < 0 && this.#holder(actor, NOBODY) !== null`,
  },
  {
    rule: 'H1',
    name: 'a pull waits for ever',
    file: 'routing/node-request.ts',
    find: `    deadlines.begin(this, timeoutMs)`,
    replace: `    deadlines.begin(this, timeoutMs * 100)`,
  },
  {
    rule: 'H1',
    name: 'what waits for a pull is not bounded',
    file: 'routing/pulls.ts',
    find: `hold.waiting.length >= options.pullEvents`,
    replace: `hold.waiting.length < 0`,
  },
  {
    rule: 'H1',
    name: 'an old owner never says that it is done',
    file: 'routing/handoff.ts',
    find: `    this.finishedHash = routes.hash
    for (const link of links.asking()) link.finished(routes.hash)`,
    replace: `    for (const link of links.asking()) link.finished('')`,
  },
  {
    rule: 'H1',
    name: 'actors go to others without limit',
    file: 'routing/handoff.ts',
    find: `target.underWay < options.handoffActors`,
    replace: `target.underWay < 1_000_000`,
  },
  {
    rule: 'H1',
    name: 'nothing is handed over of itself',
    file: 'routing/handoff.ts',
    find: `      else this.#sort(value.actor, value.busy)`,
    replace: `      else void this.#sort`,
  },
  {
    rule: 'H2',
    name: 'a node that is gone in the view keeps its links',
    file: 'routing/links.ts',
    find: `return member.generation > generation || member.liveness === 'dead' || member.liveness === 'left'`,
    replace: `return member.generation > generation + 1`,
  },
  {
    rule: 'H2',
    name: 'who is gone in the view is asked, as long as the placement names it',
    file: 'routing/routes.ts',
    find: `return this.reachable(owner.id) ?? 'gone'`,
    replace: `return this.reachable(owner.id) ?? owner`,
  },
  {
    rule: 'H2',
    name: 'a drain is done before the placement has changed',
    file: 'routing/router.ts',
    find: `const done = !this.#routes.serving && this.#handoff`,
    replace: `const done = this.#handoff`,
  },
  {
    rule: 'bounds',
    name: 'messages are as large as they come',
    file: 'routing/batch.ts',
    find: `if (message.length <= this.#messageBytes)`,
    replace: `if (message.length >= 0)`,
  },
  {
    rule: 'bounds',
    name: 'parts are collected without end',
    file: 'routing/link-decode.ts',
    find: `if (this.#partBytes > MESSAGE_BYTES_MAX) {`,
    replace: `if (this.#partBytes < 0) {`,
  },
  {
    rule: 'bounds',
    name: 'what a node has under way is not counted',
    file: 'routing/lanes.ts',
    find: `this.#count >= options.forwardedEvents`,
    replace: `this.#count < 0`,
  },
  {
    rule: 'views',
    name: 'every `moved` has gossip compare views',
    file: 'routing/view-sync.ts',
    find: `if (now - (this.#askedAt.get(peer) ?? -Infinity) < AGAIN_MS) return`,
    replace: `if (now < 0) return`,
  },
  {
    rule: 'views',
    name: 'views that differ stay so',
    file: 'routing/view-sync.ts',
    find: `    for (const peer of differing) this.#views.syncWith(peer)`,
    replace: `    for (const peer of differing) void peer`,
  },
  {
    rule: 'H2',
    name: 'an older generation may ask',
    file: 'routing/links.ts',
    find: `known.peer.generation > generation)) return false`,
    replace: `known.peer.generation > generation + 1000)) return false`,
  },
  {
    rule: 'order',
    name: 'a send that waited for credit goes, though an earlier one comes again',
    file: 'routing/asking-link.ts',
    find: `if (!request.over && request.withdrawn !== true)`,
    replace: `if (!request.over)`,
  },
  {
    rule: 'D11',
    name: 'a new owner answers from what it read while the old one goes on',
    file: 'routing/pulls.ts',
    find: `|| (this.#earlier.length > 0 && this.#holder(actor, NOBODY) !== null)`,
    replace: ``,
  },
  {
    rule: 'D11',
    name: 'an old owner answers from memory though another one is named',
    file: 'routing/pulls.ts',
    find: `const contested = !this.#parts.routes.mine(actor) || (this`,
    replace: `const contested = (this`,
  },
  {
    rule: 'H1',
    name: 'a bundle that comes too late is thrown away, though it is newer than what was read',
    file: 'actors/actor-engine.ts',
    find: `read.writer.n < bundle.n) read.stale()`,
    replace: `read.writer.n < 0) read.stale()`,
  },
  {
    rule: 'H1',
    name: 'a handoff is acknowledged before the claim is durable',
    file: 'routing/inbound.ts',
    find: `local.engine?.adopt(bundle, told) === true) counters.adopted++`,
    replace: `local.engine?.adopt(bundle) === true) told((counters.adopted++, true))`,
  },
  {
    rule: 'D11',
    name: 'what was read while another node took events will do as soon as that one stops',
    file: 'routing/pulls.ts',
    find: `contested ? this.#parts.clock.mono() : this.#quietSince`,
    replace: `contested ? this.#parts.clock.mono() : -Infinity`,
  },
]
