import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { authority, isLoopback, parseAddress } from '../../src/node/address.ts'

describe('parseAddress', () => {
  test.each([
    ['127.0.0.1:7000', '127.0.0.1', 7000],
    ['localhost:0', 'localhost', 0],
    ['[::1]:7000', '::1', 7000],
    ['[fe80::1%eth0]:1', 'fe80::1%eth0', 1],
    [':7000', '', 7000],
    ['*:7000', '', 7000],
    ['0.0.0.0:65535', '0.0.0.0', 65_535],
    ['7000', '127.0.0.1', 7000],
    [' 127.0.0.1:7000 ', '127.0.0.1', 7000],
  ])('%s', (text, host, port) => expect(parseAddress(text)).toEqual({ host, port }))

  test.each([
    ['', /is not HOST:PORT/],
    ['localhost', /is not HOST:PORT/],
    ['localhost:', /is not HOST:PORT/],
    ['localhost:http', /is not HOST:PORT/],
    ['localhost:-1', /is not HOST:PORT/],
    ['localhost:65536', /at most 65535/],
    ['::1:7000', /into brackets/],
    ['http://localhost:7000', /is not HOST:PORT/],
    ['[::1]', /is not HOST:PORT/],
  ])('%j is told to be wrong', (text, wrong) => expect(parseAddress(text)).toEqual({ wrong: expect.stringMatching(wrong) as string }))

  test('no text throws; what authority writes is read again', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => parseAddress(text)).not.toThrow()
      }),
    )
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()), fc.integer({ min: 0, max: 65_535 }), (host, port) => {
        expect(parseAddress(authority(host, port))).toEqual({ host, port })
      }),
    )
  })
})

test('loopback is what only this machine can reach', () => {
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1']) expect(isLoopback(host)).toBe(true)
  for (const host of ['', '0.0.0.0', '::', '10.0.0.1', '127.evil.example', '127.0.0.1.example', '128.0.0.1'])
    expect(isLoopback(host)).toBe(false)
})
