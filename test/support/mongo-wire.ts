/** MongoDB's wire protocol, as much as a driver speaks to a server: OP_MSG, and OP_QUERY for its first hello. */
import { BSON, type Document } from 'mongodb'

const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013
const HEADER_BYTES = 16
const CHECKSUM_PRESENT = 1
const MORE_TO_COME = 2

export interface Request {
  readonly id: number
  readonly opcode: number
  readonly body: Document
  /** The sender wants no answer. */
  readonly silent: boolean
}

/** Takes whole messages out of what came on a socket. */
export class Messages {
  #chunks: Buffer[] = []
  #bytes = 0
  /** Length of the message that is coming, once that is known. */
  #wanted = HEADER_BYTES

  take(data: Buffer): Request[] {
    this.#chunks.push(data)
    this.#bytes += data.length
    const requests: Request[] = []
    while (this.#bytes >= this.#wanted) {
      const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
      const length = all.readInt32LE(0)
      this.#chunks = [all]
      if (all.length < length) {
        this.#wanted = length
        break
      }
      // Of its own: what is stored of it must not be overwritten.
      requests.push(parse(Buffer.from(all.subarray(0, length))))
      this.#chunks = [all.subarray(length)]
      this.#bytes = all.length - length
      this.#wanted = HEADER_BYTES
    }
    return requests
  }
}

function parse(message: Buffer): Request {
  const id = message.readInt32LE(4)
  const opcode = message.readInt32LE(12)
  if (opcode === OP_QUERY) {
    const nameEnd = message.indexOf(0, HEADER_BYTES + 4)
    return { id, opcode, body: decode(message.subarray(nameEnd + 9)), silent: false }
  }
  if (opcode !== OP_MSG) throw new Error(`opcode ${opcode} is not spoken here`)
  const flags = message.readInt32LE(HEADER_BYTES)
  const end = (flags & CHECKSUM_PRESENT) !== 0 ? message.length - 4 : message.length
  let body: Document = {}
  const sequences: Document = {}
  for (let at = HEADER_BYTES + 4; at < end;) {
    const kind = message[at++]
    const length = message.readInt32LE(at)
    if (kind === 0) body = decode(message.subarray(at, at + length))
    else {
      const nameEnd = message.indexOf(0, at + 4)
      const documents: Document[] = []
      for (let from = nameEnd + 1; from < at + length; from += message.readInt32LE(from))
        documents.push(decode(message.subarray(from, from + message.readInt32LE(from))))
      sequences[message.toString('utf8', at + 4, nameEnd)] = documents
    }
    at += length
  }
  return { id, opcode, body: { ...body, ...sequences }, silent: (flags & MORE_TO_COME) !== 0 }
}

function decode(bytes: Buffer): Document {
  return BSON.deserialize(bytes, { promoteBuffers: true })
}

export function answer(to: Request, reply: Document): Buffer {
  const body = BSON.serialize(reply, { ignoreUndefined: true })
  const head = to.opcode === OP_QUERY ? Buffer.alloc(20) : Buffer.alloc(5)
  if (to.opcode === OP_QUERY) head.writeInt32LE(1, 16)
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeInt32LE(HEADER_BYTES + head.length + body.length, 0)
  header.writeInt32LE(to.id, 8)
  header.writeInt32LE(to.opcode === OP_QUERY ? OP_REPLY : OP_MSG, 12)
  return Buffer.concat([header, head, body])
}
