import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { actor, app, type ActorDefinition } from '../../src/actors/define.ts'
import { during, oneNode } from './one-node.ts'

const later = (value: unknown): Promise<boolean> => Promise.reject(new Error(`planted: ${String(value)}`))
function withSchema(schema: z.ZodType): ActorDefinition {
  return actor('a', { state: () => 0, events: { e: { schema, reduce: (s: number) => s + 1 } } })
}

describe('a schema that is asynchronous', () => {
  const asyncLater = async (value: unknown): Promise<boolean> => later(value)
  it.each([
    ['a refinement', z.string().refine(asyncLater)],
    ['a check', z.string().check(async () => void (await later(1)))],
    ['a transform', z.string().transform(asyncLater)],
    ['a refinement of a field', z.object({ a: z.number(), b: z.string().refine(asyncLater) })],
    ['one deep within', z.object({ a: z.array(z.union([z.number(), z.record(z.string(), z.string().refine(asyncLater).optional())])) })],
    ['one of the whole', z.object({ a: z.number() }).refine(asyncLater)],
  ])('is found when the actor type is defined: %s', (_what, schema) => {
    expect(() => withSchema(schema)).toThrow(/actor\('a'\): the schema of event 'e' is asynchronous: use a synchronous one/)
  })

  it('of valibot too, which says so', () => {
    const schema = { async: true, '~standard': { version: 1, vendor: 'valibot', validate: () => ({ value: 1 }) } } as const
    expect(() => actor('a', { state: () => 0, events: { e: { schema, reduce: (s: number) => s } } })).toThrow(/is asynchronous/)
  })

  it('synchronous ones pass, also those that refer to themselves', () => {
    const tree = z.object({
      name: z.string().min(1).optional().default('x'),
      get children() {
        return z.array(tree)
      },
    })
    expect(() => withSchema(tree)).not.toThrow()
    expect(() => withSchema(z.discriminatedUnion('t', [z.object({ t: z.literal('a') }), z.object({ t: z.literal('b') })]))).not.toThrow()
  })

  it('that hides it is found at the first event: internal, each time, and it is run only once', async () => {
    const rejected: unknown[] = []
    const listen = (reason: unknown): void => void rejected.push(reason)
    process.on('unhandledRejection', listen)
    onTestFinished(() => void process.off('unhandledRejection', listen))
    let runs = 0
    const rejects = (value: unknown): Promise<boolean> => {
      runs++
      return later(value)
    }
    const hidden = z.object({ text: z.string().superRefine((value) => rejects(value) as unknown as void) })
    const node = oneNode(app({ actors: { a: withSchema(hidden) } }))
    expect(await during(node, node.send('a/x', 'e', {}))).toMatchObject({ ok: false, code: 'invalid' }) // not reached
    for (let i = 0; i < 3; i++)
      expect(await during(node, node.send('a/x', 'e', { text: 'x' }))).toMatchObject({
        ok: false,
        code: 'internal',
        message: expect.stringContaining('use a synchronous one') as string,
      })
    await node.settle()
    expect([runs, rejected]).toEqual([1, []])
  })
})
