/**
 * Server reflection, v1 and v1alpha, so that tools such as grpcurl need no proto files. Open to all: it shows what the package has, too. The
 * package's own handlers write as fast as they are asked; here a client that does not read its answers is not read.
 */
import type { PackageDefinition } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { status, type Server, type ServerDuplexStream, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js'

type Stream = ServerDuplexStream<unknown, unknown>
type Inner = { readonly on: (event: string, run: (message?: unknown) => void) => void; write(message: unknown): void; end(): void }

const STREAMS_MAX = 100

export function addReflection(server: Server, shown: PackageDefinition): void {
  let open = 0
  const bounded =
    (handle: (inner: Inner) => void) =>
    (stream: Stream): void => {
      if (open >= STREAMS_MAX)
        return void stream.emit('error', {
          code: status.RESOURCE_EXHAUSTED,
          details: `at most ${STREAMS_MAX} streams of reflection: repeat later`,
        })
      open++
      stream.once('cancelled', () => open--)
      handle({
        on: (event, run) =>
          void stream.on(event, (message?: unknown) => {
            run(message)
            if (!stream.writableNeedDrain) return
            stream.pause()
            stream.once('drain', () => stream.resume())
          }),
        write: (message) => void stream.write(message),
        end: () => stream.end(),
      })
    }
  const taking = {
    addService: (definition: ServiceDefinition, { ServerReflectionInfo }: UntypedServiceImplementation) =>
      server.addService(definition, { ServerReflectionInfo: bounded(ServerReflectionInfo as unknown as (inner: Inner) => void) }),
  }
  new ReflectionService(shown).addToServer(taking as unknown as Server)
}
