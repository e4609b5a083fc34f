import { expect, it } from 'vitest'
import { TroupeError } from '../../src/errors.ts'

it('an error of another copy of Troupe in the process is one all the same: an app may import the sources that the command line has compiled', () => {
  class OfTheOtherCopy extends Error {}
  Object.defineProperty(OfTheOtherCopy.prototype, Symbol.for('troupe.error'), { value: true })
  const caught: unknown = new OfTheOtherCopy('taken')
  expect(caught instanceof TroupeError).toBe(true)
  expect(new TroupeError('invalid', 'no') instanceof Error).toBe(true)
  for (const other of [new Error('x'), null, undefined, 'x', {}, { code: 'invalid' }])
    expect((other as unknown) instanceof TroupeError).toBe(false)
})
