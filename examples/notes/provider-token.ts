/** Prints the token of a data provider: `node examples/notes/provider-token.ts NAME`, with the secret of NOTES_SECRET or NOTES_DIR (config.ts). */
import { configFrom } from './config.ts'
import { Tokens } from './tokens.ts'
import { ProviderName } from './user/note.ts'

const name = ProviderName.safeParse(process.argv[2])
if (name.success) {
  console.log(new Tokens(configFrom(process.env).secret).provider(name.data))
} else {
  console.error('usage: provider-token.ts NAME (a small letter and up to 31 small letters, digits or -)')
  process.exitCode = 2
}
