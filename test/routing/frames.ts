/** Messages of links as frames, and back. For tests that look into them, or change them. */
import { ByteWriter } from '../../src/routing/bytes.ts'
import { FrameDecoder } from '../../src/routing/link-decode.ts'
import {
  payloadOf,
  writeAnswered,
  writeAsk,
  writeBundle,
  writeCredit,
  writeFailed,
  writeFinished,
  writeHanded,
  writeHello,
  writeHistory,
  writeMoved,
  writeNote,
  writeNumber,
  writePage,
  writePull,
  writePulled,
  writeQuery,
  writeRenew,
  writeReplied,
  writeSend,
  writeState,
  writeTold,
  writeTopic,
} from '../../src/routing/link-encode.ts'
import type { LinkFrame } from '../../src/routing/link-frames.ts'

export function framesOf({ bytes }: { readonly bytes: Uint8Array }): LinkFrame[] {
  const decoder = new FrameDecoder()
  decoder.open(bytes)
  const found: LinkFrame[] = []
  for (let frame = decoder.next(); frame !== null; frame = decoder.next()) if (frame.t !== 'malformed') found.push(frame)
  return found
}

export function kindsOf(message: { readonly bytes: Uint8Array }): string[] {
  return framesOf(message).map(({ t }) => t)
}

export function encoded(frames: readonly LinkFrame[]): Uint8Array {
  const out = new ByteWriter()
  for (const frame of frames) writeFrame(out, frame)
  return out.take()
}

/** Any frame: src/routing writes each kind from the values at hand. */
export function writeFrame(out: ByteWriter, frame: LinkFrame): void {
  switch (frame.t) {
    case 'hello':
    case 'welcome':
      return writeHello(out, frame.t, frame.viewHash, frame.version)
    case 'seen':
      return writeNumber(out, 'seen', frame.move)
    case 'send':
      return writeSend(out, frame.id, frame.timeoutMs, frame.call, payloadOf(frame.call.data) ?? undefined)
    case 'query':
      return writeQuery(out, frame.id, frame.timeoutMs, frame.call, payloadOf(frame.call.args) ?? undefined)
    case 'topic':
    case 'subscribe':
      return writeTopic(out, frame.t, frame.id, frame.timeoutMs, frame.call)
    case 'unsubscribe':
    case 'ended':
      return writeNumber(out, frame.t, frame.sub)
    case 'history':
      return writeHistory(out, frame.id, frame.timeoutMs, frame.call)
    case 'renew':
      return writeRenew(out, frame.renewals)
    case 'pull':
      return writePull(out, frame.id, frame.timeoutMs, frame.actor)
    case 'bundle':
      return writeBundle(out, frame.id, frame.timeoutMs, frame.actor, frame.bytes)
    case 'finished':
      return writeFinished(out, frame.viewHash)
    case 'ask':
      return writeAsk(out, frame.id, frame.timeoutMs, frame.what, frame.json)
    case 'credit':
      return writeCredit(out, frame.requests, frame.bytes)
    case 'replied':
      return writeReplied(out, frame.id, frame.offset, frame.durable, frame.duplicate)
    case 'failed':
      return writeFailed(out, frame.id, frame.failure)
    case 'moved':
      return writeMoved(out, frame.id, frame.move, frame.viewHash, frame.owner, frame.minVersion)
    case 'answered':
      return writeAnswered(out, frame.id, frame.offset, frame.json)
    case 'state':
      return writeState(out, frame.id, frame.state)
    case 'page':
      return writePage(out, frame.id, frame.page)
    case 'pulled':
      return writePulled(out, frame.id, frame.bytes, frame.finished)
    case 'handed':
      return writeHanded(out, frame.id, frame.taken)
    case 'told':
      return writeTold(out, frame.id, frame.json)
    case 'note':
      return writeNote(out, frame.sub, frame.note)
  }
}
