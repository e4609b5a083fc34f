/** The thread behind RingThreads: builds the rings it was started with, hands their arrays over and ends. */
import { parentPort, workerData } from 'node:worker_threads'
import { buildRings, type Share } from './ring.ts'
import type { BuiltRing } from './ring-builder.ts'

const built = buildRings(workerData as readonly (readonly Share[])[]).map(({ points, owners }): BuiltRing => ({ points, owners }))
parentPort?.postMessage(
  built,
  built.flatMap(({ points, owners }) => [points.buffer, owners.buffer]),
)
