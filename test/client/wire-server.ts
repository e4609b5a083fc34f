/** The model server on real sockets and real time, with a page: what a browser and Node's own WebSocket are tried against. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { systemClock } from '../../src/base/system.ts'
import { ModelServer } from './model-server.ts'

export interface WireServer {
  readonly model: ModelServer
  readonly port: number
  close(): Promise<void>
}

export async function wireServer(
  files: Readonly<Record<string, { readonly type: string; readonly body: string | Uint8Array }>> = {},
  port = 0,
): Promise<WireServer> {
  const model = new ModelServer(systemClock)
  const http = createServer((request, response) => {
    const file = files[request.url ?? '']
    response.writeHead(file === undefined ? 404 : 200, { 'content-type': file?.type ?? 'text/plain' })
    response.end(file?.body)
  })
  const sockets = new WebSocketServer({
    server: http,
    path: '/v1/ws',
    handleProtocols: (offered) => (offered.has('troupe.v1.json') ? 'troupe.v1.json' : false),
  })
  sockets.on('connection', (ws) => {
    const socket = model.transport('', ws.protocol, {
      opened: () => undefined,
      message: (data) => ws.send(data),
      closed: (code, reason) => (code === 1006 ? ws.terminate() : ws.close(code, reason)),
    })
    ws.on('message', (data) => socket.send(String(data)))
    ws.on('close', () => socket.close(1000, ''))
  })
  await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve))
  return {
    model,
    port: (http.address() as AddressInfo).port,
    close: async () => {
      for (const ws of sockets.clients) ws.terminate()
      await new Promise<void>((resolve) => http.close(() => resolve()))
    },
  }
}
