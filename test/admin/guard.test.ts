import { describe, expect, test } from 'vitest'
import { admit, sameText, type AdminHeaders } from '../../src/admin/guard.ts'

const headers = (given: Partial<AdminHeaders>): AdminHeaders => ({
  authorization: undefined,
  host: 'localhost:7200',
  origin: undefined,
  fetchSite: undefined,
  ...given,
})

describe('admin guard', () => {
  test.each(['localhost:7200', '127.0.0.1', '127.0.0.1:7200', '[::1]:7200'])('without a token, %s is admitted', (host) => {
    expect(admit(headers({ host }), null)).toBeNull()
  })

  test.each([
    ['a name that was rebound', { host: 'evil.example:7200' }],
    ['a name that only begins well', { host: 'localhost.evil.example' }],
    ['no host', { host: undefined }],
    ['a foreign page', { origin: 'https://evil.example' }],
    ['a page of another port', { origin: 'http://localhost:7000' }],
    ['a cross-site fetch', { fetchSite: 'cross-site' }],
    ['a fetch of a page of another port', { fetchSite: 'same-site' }],
  ])('without a token, %s is denied', (_, given) => {
    expect(admit(headers(given), null)).toMatchObject({ ok: false, code: 'denied' })
  })

  test('its own page is admitted', () => {
    expect(admit(headers({ origin: 'http://localhost:7200', fetchSite: 'same-origin' }), null)).toBeNull()
  })

  test('with a token, that token and nothing else is admitted, whatever the host', () => {
    const host = 'node-7.internal'
    expect(admit(headers({ host, authorization: 'Bearer secret-1' }), 'secret-1')).toBeNull()
    for (const authorization of [undefined, 'Bearer secret-2', 'Bearer secret-11', 'Bearer ', 'secret-1', 'Basic secret-1'])
      expect(admit(headers({ host, authorization }), 'secret-1')).toMatchObject({ ok: false, code: 'unauthenticated' })
  })

  test('texts of other length compare as different', () => {
    expect(sameText('a', 'a')).toBe(true)
    expect(sameText('a', 'aa')).toBe(false)
    expect(sameText('', 'a')).toBe(false)
  })
})
