/** `token`: signs a JSON Web Token (RFC 7519) with a shared secret, for trying an app whose `authenticate` is { jwt: { secret } }. */
import type { Command } from 'commander'
import { SignJWT } from 'jose'
import { parseActorId } from '../../actors/actor-id.ts'
import { systemClock } from '../../base/system.ts'
import { misused } from '../failure.ts'
import { common, duration, flag, jsonArgument } from '../flags.ts'
import { example } from '../help.ts'
import { secretFrom } from '../serve-flags.ts'
import type { Terminal } from '../terminal.ts'

interface TokenFlags {
  readonly secret?: string
  readonly secretFile?: string
  readonly expiresIn: number
  readonly claims?: string
  readonly issuer?: string
  readonly audience?: string
  readonly json?: true
}

/** RFC 7518 §3.2: a key for HS256 has at least 256 bits. */
const SECRET_BYTES_MIN = 32

export function tokenCommand(program: Command, terminal: Terminal): void {
  common(program.command('token').argument('<sub>', 'the user, as in alice'))
    .addOption(
      flag('--secret <text>', 'shared secret, that of the app’s jwt.secret (better as TROUPE_SECRET or from a file: flags show in ps)'),
    )
    .addOption(flag('--secret-file <file>', 'the same, read from a file'))
    .addOption(flag('--expires-in <time>', 'how long it holds, as in 1h or 7d').argParser(duration).default(3_600_000, '1h'))
    .addOption(flag('--claims <json>', 'more claims, a JSON object'))
    .addOption(flag('--issuer <text>', 'claim iss'))
    .addOption(flag('--audience <text>', 'claim aud'))
    .addOption(flag('--json', 'print {"token":…,"expiresAt":…}'))
    .summary('sign a token for trying an app')
    .description(
      `Signs a JSON Web Token (HS256) for a user, for apps with authenticate: { jwt: { secret } }. Under 'troupe dev' none is needed:
there the token dev:NAME is user NAME.`,
    )
    .addHelpText(
      'after',
      example(`
        TROUPE_SECRET=… troupe token alice
        troupe token alice --secret-file secret.txt --expires-in 7d \\
        --claims '{"admin":true}'
        troupe send user/alice note.added '{"text":"hi"}' \\
        --token "$(troupe token alice --secret-file secret.txt)"`),
    )
    .action(async (sub: string, flags: TokenFlags) => {
      const secret = flags.secretFile === undefined ? flags.secret : secretFrom('--secret-file', flags.secretFile)
      if (secret === undefined)
        throw misused(`no secret: give --secret-file or TROUPE_SECRET (under 'troupe dev' none is needed, the token is dev:${sub})`)
      if (sub.includes('/'))
        throw misused(
          `'${sub}' is an actor; a token is for a user, as in ${'wrong' in parseActorId(sub) ? 'alice' : sub.slice(sub.indexOf('/') + 1)}`,
        )
      const claims = jsonArgument(flags.claims, '--claims') ?? {}
      if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw misused('--claims is a JSON object')
      const key = new TextEncoder().encode(secret)
      if (key.length < SECRET_BYTES_MIN)
        terminal.err(
          `a secret of ${key.length} bytes can be guessed: production needs at least ${SECRET_BYTES_MIN} (head -c 32 /dev/urandom | base64)`,
        )
      const now = Math.floor(systemClock.now() / 1000)
      const expires = now + Math.max(1, Math.round(flags.expiresIn / 1000))
      const jwt = new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
        .setSubject(sub)
        .setIssuedAt(now)
        .setExpirationTime(expires)
      if (flags.issuer !== undefined) jwt.setIssuer(flags.issuer)
      if (flags.audience !== undefined) jwt.setAudience(flags.audience)
      const token = await jwt.sign(key)
      terminal.out(flags.json ? JSON.stringify({ token, expiresAt: expires * 1000 }) : token)
    })
}
