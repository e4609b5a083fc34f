/** The listening end of a stream: what a handler of grpc-js gets, as a FrameStream. */
import { constants } from 'node:http2'
import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { StreamEvents } from './dial.ts'
import type { Frame } from './frames.ts'
import { isLoopbackPeer, type Evidence } from './security.ts'
import type { FrameStream } from './stream-wire.ts'

export type IncomingCall = ServerDuplexStream<Frame, Frame>

export function acceptedStream(call: IncomingCall, events: StreamEvents): FrameStream {
  let cancelled = false
  call.on('data', (frame: Frame) => events.received(frame))
  call.on('end', () => events.ended())
  call.on('cancelled', () => events.gone('unreachable', 'the connection broke'))
  return {
    write: (frame, done) => {
      if (!cancelled && call.writable) call.write(frame, done)
    },
    end: () => {
      if (!cancelled && call.writable) call.end()
    },
    cancel: () => {
      cancelled = true
      resetStream(call)
      // Drops what the stream still holds.
      call.destroy()
    },
  }
}

export function evidenceOf(call: IncomingCall): Evidence {
  return {
    loopback: isLoopbackPeer(call.getPeer()),
    certificate: call.getAuthContext().sslPeerCertificate ?? null,
    hostMatches: false,
  }
}

interface Layer {
  readonly call?: Layer
  readonly nextCall?: Layer
  readonly stream?: { readonly close?: (code: number) => void }
}

/**
 * A server of grpc-js ends a stream only behind all that was written to it; one that the other end does not read would never end. So the
 * HTTP/2 stream below is reset. Where it is not found (another version of grpc-js), the other end finds the silence.
 */
function resetStream(call: IncomingCall): void {
  let layer: Layer | undefined = call as unknown as Layer
  while (layer !== undefined && layer.stream === undefined) layer = layer.call ?? layer.nextCall
  layer?.stream?.close?.(constants.NGHTTP2_CANCEL)
}
