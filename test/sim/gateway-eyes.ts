/** What passes the sockets at their gateways' ends, as frames with what they belong to; and what becomes durable, as ledgers. Both go to the checks. */
import { openBatch, readHeader } from '../../src/actors/batch.ts'
import type { ClientFrame, ServerFrame } from '../../src/protocol/frames.ts'
import type { NodeProcess } from '../../src/testing/process.ts'
import type { WireWatch } from '../../src/testing/sockets.ts'
import type { GatewayCheck, SeenSocket } from './gateway-check.ts'
import { ActorLedger } from './ledger.ts'
import type { LedgerBatch } from './sim-data.ts'

export class GatewayEyes {
  readonly ledgers: Map<string, ActorLedger> = new Map()
  readonly sockets: Set<SeenSocket> = new Set()
  frames = 0
  readonly #nowMs: () => number
  readonly #tell: (told: (check: GatewayCheck) => void) => void

  constructor(nowMs: () => number, tell: (told: (check: GatewayCheck) => void) => void) {
    this.#nowMs = nowMs
    this.#tell = tell
  }

  /** A batch, or a new record, is durable. */
  placed(actor: string, mode: 'append' | 'replace', bytes: Uint8Array): void {
    const header = readHeader(bytes)
    if (header === null) throw new Error(`what was placed for ${actor} has no header`)
    let ledger = this.ledgers.get(actor)
    if (ledger === undefined) {
      ledger = new ActorLedger({ actor, mode, batches: [], snapshot: null, ref: 0, hints: new Map() })
      this.ledgers.set(actor, ledger)
    }
    const body = mode === 'append' ? (openBatch(bytes)?.body ?? null) : null
    const { n, commitId, firstOffset, entries } = header
    const batch: LedgerBatch = {
      actor,
      mode,
      n,
      commitId,
      bytes: bytes.slice(),
      hash: header.previous,
      firstOffset,
      entries,
      header,
      body,
      by: '',
      atUs: this.#nowMs() * 1000,
      journal: body?.j ?? ledger.newest?.journal ?? '',
      emptied: false,
    }
    ledger.record.batches.push(batch)
    ledger.add(batch)
    const known = ledger
    this.#tell((check) => check.placed?.(batch, known))
  }

  watch(process: NodeProcess): WireWatch {
    const socket: SeenSocket = {
      process,
      session: '',
      actor: '',
      asked: new Map(),
      unanswered: 0,
      topics: new Map(),
      waitingBytes: 0,
      tookMs: 0,
      leaving: false,
    }
    this.sockets.add(socket)
    return {
      read: (text) => this.#read(socket, text),
      wrote: (texts, bytes, waitingBytes) => {
        for (const text of texts)
          for (const line of text.split('\n')) if (line !== '') this.#wrote(socket, JSON.parse(line) as ServerFrame, waitingBytes)
        if (waitingBytes === 0) socket.tookMs = this.#nowMs()
        socket.waitingBytes = waitingBytes + bytes
      },
      took: (bytes) => {
        socket.waitingBytes -= bytes
        socket.tookMs = this.#nowMs()
      },
      ended: () => {
        this.sockets.delete(socket)
        this.#tell((check) => check.ended?.(socket))
      },
    }
  }

  #read(socket: SeenSocket, text: string): void {
    for (const line of text.split('\n')) {
      const frame = parsed(line)
      if (frame === null) continue
      this.frames++
      if ('id' in frame) {
        socket.asked.set(frame.id, frame)
        socket.unanswered++
      }
      this.#tell((check) => check.read?.(socket, frame))
    }
  }

  #wrote(socket: SeenSocket, frame: ServerFrame, waitingBytes: number): void {
    this.frames++
    const asked = frame.t === 'reply' ? socket.asked.get(frame.id) : undefined
    if (frame.t === 'welcome') {
      socket.session = frame.session
      socket.actor = frame.actor
    }
    this.#tell((check) => check.wrote?.(socket, frame, asked, waitingBytes))
    switch (frame.t) {
      case 'reply':
        socket.unanswered--
        if (frame.ok && frame.sub !== undefined && asked?.t === 'subscribe') {
          // A view's answer shows it as it is now; a log that goes on follows the position it was asked from.
          const follows = asked.from !== undefined && frame.recovered === true && frame.data === undefined
          const offset = follows ? asked.from.offset : (frame.offset ?? 0)
          socket.topics.set(frame.sub, { actor: asked.to ?? socket.actor, topic: asked.topic, offset, notedMs: -Infinity })
        }
        if (frame.ok && asked?.t === 'unsubscribe') socket.topics.delete(asked.sub)
        return
      case 'note': {
        const topic = socket.topics.get(frame.sub)
        if (topic !== undefined) Object.assign(topic, { offset: frame.offset, notedMs: this.#nowMs() })
        return
      }
      case 'gap': {
        const topic = socket.topics.get(frame.sub)
        if (topic !== undefined) topic.offset = frame.to
        return
      }
      case 'bye':
        socket.leaving = true
        return
      default:
        return
    }
  }
}

/** null: what a stranger said. */
function parsed(line: string): ClientFrame | null {
  try {
    const frame = JSON.parse(line) as ClientFrame | null
    return typeof frame === 'object' && frame !== null && typeof frame.t === 'string' ? frame : null
  } catch {
    return null
  }
}
