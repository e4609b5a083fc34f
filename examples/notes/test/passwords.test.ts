import { expect, test } from 'vitest'
import { Passwords } from '../passwords.ts'

const cheap = { ln: 4 }

test('the same password under the same salt gives the same string, another does not; forms of one letter are one', async () => {
  const passwords = new Passwords(cheap)
  const phc = await passwords.hash('pässword')
  expect(phc).toMatch(/^\$scrypt\$ln=4,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  const salt = phc.slice(0, phc.lastIndexOf('$'))
  expect(await passwords.rehash('pa\u0308ssword', salt)).toBe(phc)
  expect(await passwords.rehash('passw\u00f6rd', salt)).not.toBe(phc)
  // Kept under other parameters than today's: the string says which.
  expect(await new Passwords({ ln: 5 }).rehash('pässword', salt)).toBe(phc)
})

test('RFC 7914, section 12: the parameters mean what they say', async () => {
  const salt = `$scrypt$ln=10,r=8,p=16$${Buffer.from('NaCl').toString('base64').replaceAll('=', '')}`
  const hash = (await new Passwords(cheap).rehash('password', salt)).split('$').at(-1) as string
  expect(Buffer.from(hash, 'base64').toString('hex')).toBe('fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162')
})

test('what waits is bounded, and who went away is passed over', async () => {
  const passwords = new Passwords({ ...cheap, parallel: 1, waiting: 2 })
  const left = new AbortController()
  const [first, gone, last] = [passwords.hash('a'), passwords.hash('b', left.signal), passwords.hash('c')]
  await expect(passwords.hash('d')).rejects.toMatchObject({ code: 'overloaded' })
  left.abort()
  await expect(gone).rejects.toMatchObject({ code: 'unavailable' })
  expect(await first).toContain('$scrypt$')
  expect(await last).toContain('$scrypt$')
  expect(await passwords.hash('e')).toContain('$scrypt$')
})
