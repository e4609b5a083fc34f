/** The handshake without a network: two machines that hand each other frames, and what a third may try. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seeded } from '../../src/base/random.ts'
import type { Channel } from '../../src/cluster/transport.ts'
import { namesNode } from '../../src/transport/certificate.ts'
import { decodeFrame, encodeFrame, type Control, type Frame, type Hello } from '../../src/transport/frames.ts'
import { Handshake, type HandshakeParts, type Step } from '../../src/transport/handshake.ts'
import { prove, provenBy } from '../../src/transport/proof.ts'
import { checkSecurity, isLoopbackPeer, readSecrets, type ClusterSecurity, type Evidence } from '../../src/transport/security.ts'

const random = seeded('handshake')
const secret = (text: string): ClusterSecurity => ({ secrets: [Buffer.from(text.padEnd(16, '.'))], tls: null })
const OPEN: ClusterSecurity = { secrets: [], tls: null }
const LOCAL: Evidence = { loopback: true, certificate: null, hostMatches: false }
const TLS = { ca: Buffer.of(1), cert: Buffer.of(2), key: Buffer.of(3) }

function machine(id: string, side: 'dialler' | 'listener', given: Partial<HandshakeParts> & { evidenceIs?: Evidence } = {}): Handshake {
  const { evidenceIs = LOCAL, ...parts } = given
  return new Handshake({
    side,
    channel: 'data',
    cluster: 'c',
    self: { id, generation: 3, address: `${id}:1` },
    boot: random.bytes(16),
    nonce: random.bytes(32),
    security: secret('shared'),
    evidence: () => evidenceIs,
    ...parts,
  })
}

const BITE = (frame: Control): Frame => decodeFrame(encodeFrame(frame))

/** Hands frames over until both have decided; `between` may change what is under way. */
function meet(dialler: Handshake, listener: Handshake, between: (frame: Frame, to: 'dialler' | 'listener') => Frame = (frame) => frame) {
  const last: { dialler: Step | null; listener: Step | null } = { dialler: null, listener: null }
  const line: { to: 'dialler' | 'listener'; frame: Control }[] = dialler.start().map((frame) => ({ to: 'listener', frame }))
  for (let next = line.shift(); next !== undefined; next = line.shift()) {
    const { to, frame } = next
    const decided = last[to]
    if (decided !== null && decided.kind !== 'wait') continue
    const step = (to === 'dialler' ? dialler : listener).take(between(BITE(frame), to))
    last[to] = step
    if (step.kind !== 'broken') for (const sent of step.send) line.push({ to: to === 'dialler' ? 'listener' : 'dialler', frame: sent })
  }
  return last
}

const kinds = ({ dialler, listener }: ReturnType<typeof meet>) => [dialler?.kind, listener?.kind]
const why = (step: Step | null): string => (step !== null && 'why' in step ? step.why : '')

describe('the handshake', () => {
  it('opens with the same secret, and says who the other is', () => {
    const { dialler, listener } = meet(machine('a', 'dialler'), machine('b', 'listener'))
    expect(dialler).toMatchObject({ kind: 'open', peer: { id: 'b', generation: 3, address: 'b:1' } })
    expect(listener).toMatchObject({ kind: 'open', peer: { id: 'a', generation: 3, address: 'a:1' } })
  })

  it('another cluster, itself, a namesake and a version too far away are denied at both ends', () => {
    const boot = random.bytes(16)
    const cases: [Partial<HandshakeParts>, string, Partial<HandshakeParts>, string, RegExp][] = [
      [{ cluster: 'red' }, 'a', {}, 'b', /cluster "red", this node to "c"/],
      [{ boot }, 'a', { boot }, 'b', /itself/],
      [{}, 'a', {}, 'a', /two processes are named a/],
    ]
    for (const [ours, ourId, theirs, theirId, words] of cases) {
      const ends = meet(machine(ourId, 'dialler', ours), machine(theirId, 'listener', theirs))
      expect(kinds(ends)).toEqual(['denied', 'denied'])
      expect([why(ends.dialler), why(ends.listener)]).toEqual([expect.stringMatching(words), expect.stringMatching(words)])
    }
    const older = meet(machine('a', 'dialler'), machine('b', 'listener'), (frame) =>
      !(frame instanceof Uint8Array) && frame.kind === 'hello'
        ? { kind: 'hello', hello: { ...frame.hello, version: 9, oldest: 9 } }
        : frame,
    )
    expect(why(older.listener)).toContain('versions 9–9')
  })

  it('the listener opens only after the proof, the dialler only after the listener’s', () => {
    const [dialler, listener] = [machine('a', 'dialler'), machine('b', 'listener')]
    const [hello] = dialler.start()
    const first = listener.take(hello as Frame)
    expect(first.kind).toBe('wait')
    const second = dialler.take((first as Step & { kind: 'wait' }).send[0] as Frame)
    expect(second).toMatchObject({ kind: 'wait', send: [{ kind: 'proof' }] })
  })

  it('another secret, none against one, and one against none are denied at both ends, and nobody says the secret', () => {
    for (const [ours, theirs] of [
      [secret('one'), secret('two')],
      [OPEN, secret('two')],
      [secret('one'), OPEN],
    ] as const) {
      const ends = meet(machine('a', 'dialler', { security: ours }), machine('b', 'listener', { security: theirs }))
      expect(kinds(ends)).toEqual(['denied', 'denied'])
      expect(why(ends.dialler)).toContain('--secret-file')
      expect(why(ends.dialler) + why(ends.listener)).not.toMatch(/one\.|two\./)
    }
  })

  it('a listener that does not know the secret is denied though it lets everybody in', () => {
    // What it has: nothing, the dialler's own proof, a guess.
    for (const answer of [() => new Uint8Array(0), (seen: Uint8Array) => seen, () => new Uint8Array(32)]) {
      const dialler = machine('a', 'dialler')
      const impostor = machine('b', 'listener', { security: OPEN })
      const hello = impostor.take(dialler.start()[0] as Frame) as Step & { kind: 'wait' }
      const shown = dialler.take(hello.send[0] as Frame) as Step & { kind: 'wait' }
      const { mac } = shown.send[0] as Control & { kind: 'proof' }
      expect(mac.length).toBe(32)
      expect(dialler.take({ kind: 'proof', mac: answer(mac) }).kind).toBe('denied')
    }
  })

  it('whatever is changed on the way, nobody opens whose proof was over something else', () => {
    const fields = ['version', 'oldest', 'cluster', 'id', 'generation', 'address', 'boot', 'nonce'] as const
    const changed = (hello: Hello, field: (typeof fields)[number]): Hello => {
      const value = hello[field]
      if (typeof value === 'number') return { ...hello, [field]: value + (field === 'oldest' ? 0 : 1) }
      if (typeof value === 'string') return { ...hello, [field]: `${value}x` }
      return { ...hello, [field]: value.map((byte) => byte ^ 1) }
    }
    for (const to of ['dialler', 'listener'] as const)
      for (const field of fields) {
        if (field === 'oldest') continue
        const ends = meet(machine('a', 'dialler'), machine('b', 'listener'), (frame, target) =>
          !(frame instanceof Uint8Array) && frame.kind === 'hello' && target === to
            ? { kind: 'hello', hello: changed(frame.hello, field) }
            : frame,
        )
        expect([to, field, ends.dialler?.kind === 'open' || ends.listener?.kind === 'open']).toEqual([to, field, false])
      }
    const channels = meet(machine('a', 'dialler', { channel: 'gossip' }), machine('b', 'listener', { channel: 'data' }))
    expect(kinds(channels)).toEqual(['denied', 'denied'])
  })

  it('a proof is of one side only: sent back to its maker it is worth nothing', () => {
    const meeting = {
      channel: 'data' as Channel,
      dialler: {
        version: 1,
        oldest: 1,
        cluster: 'c',
        id: 'a',
        generation: 1,
        address: '',
        boot: random.bytes(16),
        nonce: random.bytes(32),
      },
      listener: {
        version: 1,
        oldest: 1,
        cluster: 'c',
        id: 'b',
        generation: 1,
        address: '',
        boot: random.bytes(16),
        nonce: random.bytes(32),
      },
    }
    const key = Buffer.from('k'.repeat(16))
    const mac = prove(key, 'dialler', meeting)
    expect(provenBy([key], mac, 'dialler', meeting)).toBe(key)
    expect(provenBy([key], mac, 'listener', meeting)).toBeNull()
    expect(provenBy([key], mac.subarray(0, 31), 'dialler', meeting)).toBeNull()
    expect(provenBy([key], new Uint8Array(0), 'dialler', meeting)).toBeNull()
    // Lengths are in it: what moves from one field to the next is something else.
    const moved = { ...meeting, dialler: { ...meeting.dialler, cluster: 'ca', id: '' } }
    expect(prove(key, 'dialler', moved)).not.toEqual(mac)
  })

  it('a secret is changed without a moment in which nodes cannot meet', () => {
    const [old, fresh] = [Buffer.from('old'.padEnd(16, '.')), Buffer.from('new'.padEnd(16, '.'))]
    const stages = [[old], [old, fresh], [fresh, old], [fresh]]
    for (const [i, secrets] of stages.entries())
      for (const other of [stages[i], stages[i + 1]].filter((stage) => stage !== undefined))
        for (const [ours, theirs] of [
          [secrets, other],
          [other, secrets],
        ] as const) {
          const security = (given: readonly Uint8Array[]): ClusterSecurity => ({ secrets: given, tls: null })
          const ends = meet(machine('a', 'dialler', { security: security(ours) }), machine('b', 'listener', { security: security(theirs) }))
          expect(kinds(ends)).toEqual(['open', 'open'])
        }
  })

  it('with neither secret nor certificates only this machine is let in, from either end', () => {
    const far: Evidence = { loopback: false, certificate: null, hostMatches: false }
    expect(kinds(meet(machine('a', 'dialler', { security: OPEN }), machine('b', 'listener', { security: OPEN })))).toEqual(['open', 'open'])
    for (const [near, away] of [
      [far, LOCAL],
      [LOCAL, far],
    ] as const) {
      const ends = meet(
        machine('a', 'dialler', { security: OPEN, evidenceIs: near }),
        machine('b', 'listener', { security: OPEN, evidenceIs: away }),
      )
      expect(kinds(ends)).toEqual(['denied', 'denied'])
      expect(why(ends.dialler)).toContain('--secret-file')
    }
  })

  it('a certificate must name the id that is said', () => {
    const security: ClusterSecurity = { secrets: [], tls: TLS }
    const shown = (names: string | null): Evidence => ({
      loopback: true,
      hostMatches: true,
      certificate: names === null ? null : { subjectaltname: names },
    })
    const outcome = (ofDialler: string | null, ofListener: string | null) =>
      kinds(
        meet(
          machine('a', 'dialler', { security, evidenceIs: shown(ofListener) }),
          machine('b', 'listener', { security, evidenceIs: shown(ofDialler) }),
        ),
      )
    expect(outcome('DNS:a', 'URI:troupe:node:b')).toEqual(['open', 'open'])
    expect(outcome('DNS:b', 'DNS:b')).toEqual(['denied', 'denied'])
    expect(outcome('DNS:a', 'DNS:a')).toEqual(['denied', 'denied'])
    expect(outcome(null, 'DNS:b')).toEqual(['denied', 'denied'])
    expect(outcome('DNS:a', null)).toEqual(['denied', 'denied'])
  })

  it('with a secret a listener’s certificate is for its host or its id', () => {
    const security: ClusterSecurity = { ...secret('both'), tls: TLS }
    const outcome = (evidence: Evidence) =>
      kinds(meet(machine('a', 'dialler', { security, evidenceIs: evidence }), machine('b', 'listener', { security })))
    expect(outcome({ loopback: true, certificate: {}, hostMatches: true })).toEqual(['open', 'open'])
    expect(outcome({ loopback: true, certificate: { subjectaltname: 'DNS:b' }, hostMatches: false })).toEqual(['open', 'open'])
    expect(outcome({ loopback: true, certificate: { subjectaltname: 'DNS:x' }, hostMatches: false })).toEqual(['denied', 'denied'])
  })

  it('any frames in any order end it, or open it rightly; nothing throws', () => {
    const frame: fc.Arbitrary<Frame> = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => decodeFrame(Buffer.from(bytes))),
      fc.uint8Array({ maxLength: 40 }).map((mac): Frame => ({ kind: 'proof', mac })),
      fc.constantFrom<Frame>({ kind: 'ping' }, { kind: 'close' }, { kind: 'denied', why: 'no' }, Buffer.from('data')),
      fc
        .record({
          version: fc.nat(5),
          oldest: fc.nat(5),
          cluster: fc.constantFrom('c', 'd', ''),
          id: fc.constantFrom('a', 'b', 'x', '', 'ü'),
          generation: fc.constantFrom(0, 1, -1, 1.5, 2 ** 60),
          address: fc.string(),
          boot: fc.uint8Array({ minLength: 15, maxLength: 16 }),
          nonce: fc.uint8Array({ minLength: 32, maxLength: 33 }),
        })
        .map((hello): Frame => ({ kind: 'hello', hello })),
    )
    fc.assert(
      fc.property(fc.constantFrom('dialler' as const, 'listener' as const), fc.array(frame, { maxLength: 8 }), (side, frames) => {
        const one = machine('a', side)
        one.start()
        let over = false
        for (const each of frames) {
          const step = one.take(each)
          // Without the secret nobody gets in.
          expect(step.kind).not.toBe('open')
          if (over) expect(step.kind).toBe('broken')
          over ||= step.kind !== 'wait'
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('frames', () => {
  it('any bytes are a frame or malformed, and never a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const frame = decodeFrame(Buffer.from(bytes))
        expect(frame instanceof Uint8Array || typeof frame.kind === 'string').toBe(true)
      }),
      { numRuns: 5000 },
    )
  })

  it('data comes back as it was, and a cut frame does not', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20_000 }), (bytes) => {
        const frame = encodeFrame(bytes)
        expect(Buffer.from(decodeFrame(frame) as Uint8Array).equals(bytes)).toBe(true)
        if (bytes.length > 0) expect(decodeFrame(frame.subarray(0, -1))).toMatchObject({ kind: 'malformed' })
      }),
    )
  })

  it('what a stranger says is fit for a log line', () => {
    const said = BITE({ kind: 'denied', why: `a\nb\u001b[31m${'x'.repeat(1000)}` }) as Control & { kind: 'denied' }
    expect(said.why).toMatch(/^a b \[31mx+$/)
    expect(said.why.length).toBeLessThanOrEqual(300)
  })
})

describe('who may listen where', () => {
  it('a port that others reach needs a secret or certificates, and the message says so', () => {
    for (const host of ['', '0.0.0.0', '10.0.0.1', 'example.com', '::']) {
      expect(() => checkSecurity(OPEN, host)).toThrow(/--secret-file, or TLS/)
      expect(() => checkSecurity(secret('enough'), host)).not.toThrow()
      expect(() => checkSecurity({ secrets: [], tls: TLS }, host)).not.toThrow()
    }
    for (const host of ['127.0.0.1', '::1', 'localhost', '127.9.9.9']) expect(() => checkSecurity(OPEN, host)).not.toThrow()
    expect(() => checkSecurity({ secrets: [Buffer.from('short')], tls: null }, '127.0.0.1')).toThrow(/at least 16 bytes/)
  })

  it('a secret file has one on each line', () => {
    expect(readSecrets(`${'a'.repeat(16)}\n\n  ${'b'.repeat(20)}  \r\n`, 'f').map(String)).toEqual(['a'.repeat(16), 'b'.repeat(20)])
    expect(() => readSecrets('\n \n', 'the file')).toThrow(/the file is empty/)
    expect(() => readSecrets('too short', 'the file')).toThrow(/at least 16 bytes/)
  })

  it('loopback is known in every form that a socket says it in', () => {
    for (const peer of ['127.0.0.1:5', '::1:5', '[::1]:5', '::ffff:127.0.0.1:5']) expect([peer, isLoopbackPeer(peer)]).toEqual([peer, true])
    for (const peer of ['10.0.0.1:5', '128.0.0.1:1', '::2:5', 'unknown', '127.0.0.1.evil.com:1', '[fe80::1]:127'])
      expect([peer, isLoopbackPeer(peer)]).toEqual([peer, false])
  })

  it('a certificate names a node by SAN or common name, and one name cannot pretend to be two', () => {
    const names = (subjectaltname: string, CN?: string): boolean => namesNode({ subjectaltname, subject: { CN } }, 'b')
    expect(names('DNS:a, DNS:b')).toBe(true)
    expect(names('DNS:a, URI:troupe:node:b, IP Address:1.2.3.4')).toBe(true)
    expect(names('', 'b')).toBe(true)
    expect(names('DNS:bb, URI:troupe:node:bb, email:b')).toBe(false)
    expect(names('URI:"http://x/, DNS:b"')).toBe(false)
    expect(names('DNS:"b\\u0000.evil"')).toBe(false)
    expect(names('URI:b')).toBe(false)
    expect(names('othername:<unsupported>, DNS:b')).toBe(true)
    expect(namesNode({}, 'b')).toBe(false)
  })
})
