/** Questions between nodes at one end: bounds that the other end, which keeps the same, would hide. */
import { beforeEach, describe, expect, it } from 'vitest'
import { Deadlines } from '../../src/base/deadline.ts'
import { silentLog } from '../../src/base/log.ts'
import type { AnsweringLink } from '../../src/routing/answering-link.ts'
import type { AskingLink, LinkRequest } from '../../src/routing/asking-link.ts'
import { ByteWriter } from '../../src/routing/bytes.ts'
import type { LinkFrame } from '../../src/routing/link-frames.ts'
import type { Links } from '../../src/routing/links.ts'
import { ANSWER_CHARS, QUESTION_CHARS, Questions, QUESTIONS_MAX, type Asked } from '../../src/routing/questions.ts'
import type { Routes } from '../../src/routing/routes.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { framesOf } from './frames.ts'

let clock: VirtualClock
beforeEach(() => {
  clock = new VirtualClock()
})

function questions(asked: Asked, sent: LinkRequest[] = []): Questions {
  const links = { to: () => ({ askNow: (request: LinkRequest) => sent.push(request) }) as unknown as AskingLink } as unknown as Links
  const routes = { view: { self: { id: 'a' }, members: [] }, reachable: () => ({ id: 'b' }) } as unknown as Routes
  return new Questions({ clock, log: silentLog, deadlines: new Deadlines(clock), routes, links, asked })
}

/** What was written to a link, since last asked. */
function link(state: { over?: boolean; crowded?: boolean } = {}): { readonly at: AnsweringLink; frames(): LinkFrame[] } {
  const out = new ByteWriter()
  const at = { over: false, crowded: false, out, wrote: () => undefined, ...state } as unknown as AnsweringLink
  return { at, frames: () => framesOf({ bytes: out.take() }) }
}

const never: Asked = () => new Promise(() => undefined)
const ask = (id: number, json = '{}', timeoutMs = 1000) => ({ t: 'ask' as const, id, timeoutMs, what: 'x', json })

describe('questions', () => {
  it('of one link wait here in bounded number, whatever the other end does; when time is up their places are free', async () => {
    const parts = questions(never)
    const one = link()
    for (let id = 0; id < QUESTIONS_MAX + 2; id++) parts.asked(one.at, ask(id))
    expect(one.frames().map((frame) => frame.t === 'failed' && [frame.id, frame.failure.code])).toEqual([
      [QUESTIONS_MAX, 'overloaded'],
      [QUESTIONS_MAX + 1, 'overloaded'],
    ])
    const other = link()
    parts.asked(other.at, ask(1))
    expect(other.frames()).toEqual([])
    await clock.run(1000)
    expect(one.frames().filter((frame) => frame.t === 'failed' && frame.failure.code === 'timeout')).toHaveLength(QUESTIONS_MAX)
    parts.asked(one.at, ask(7))
    expect(one.frames()).toEqual([])
  })

  it('that are too large are refused, and answers too', async () => {
    const big = link()
    const parts = questions(() => Promise.resolve({ ok: true, json: 'x'.repeat(ANSWER_CHARS + 1) }))
    parts.asked(big.at, ask(1, 'x'.repeat(QUESTION_CHARS + 1)))
    expect(big.frames()).toMatchObject([{ t: 'failed', id: 1, failure: { code: 'too_large' } }])
    parts.asked(big.at, ask(2))
    await clock.run(0)
    expect(big.frames()).toMatchObject([{ t: 'failed', id: 2, failure: { code: 'too_large' } }])
  })

  it('on a link whose answers wait for the network are refused; on one that is over nothing is written', async () => {
    const [crowded, over] = [link({ crowded: true }), link({ over: true })]
    const parts = questions(() => Promise.resolve({ ok: true, json: '1' }))
    for (const { at } of [crowded, over]) parts.asked(at, ask(1))
    await clock.run(0)
    expect(crowded.frames()).toMatchObject([{ t: 'failed', failure: { code: 'overloaded' } }])
    expect(over.frames()).toEqual([])
  })

  it('of this node are bounded before they are sent', async () => {
    const sent: LinkRequest[] = []
    const parts = questions(never, sent)
    expect(await parts.ask('b', 'x', 'x'.repeat(QUESTION_CHARS + 1), 1000)).toMatchObject({ code: 'too_large' })
    const asked = Array.from({ length: QUESTIONS_MAX }, () => parts.ask('b', 'x', '{}', 1000))
    expect(await parts.ask('b', 'x', '{}', 1000)).toMatchObject({ code: 'overloaded' })
    expect([sent.length, parts.pending]).toEqual([QUESTIONS_MAX, QUESTIONS_MAX])
    await clock.run(1100)
    for (const outcome of await Promise.all(asked)) expect(outcome).toMatchObject({ ok: false, code: 'timeout' })
    expect(parts.pending).toBe(0)
  })

  it('that are answered with something else, or lost, are failures', async () => {
    const sent: LinkRequest[] = []
    const parts = questions(never, sent)
    const [odd, lost] = [parts.ask('b', 'x', '{}', 1000), parts.ask('b', 'x', '{}', 1000)]
    sent[0]?.answered({ t: 'handed', id: 1, taken: true }, undefined as never)
    sent[1]?.lost()
    expect(await odd).toMatchObject({ code: 'internal' })
    expect(await lost).toMatchObject({ code: 'unavailable' })
  })
})
