/** What the router needs of the parts beside it. The engine and the gossip satisfy these as they are. */
import type { ActorCalls } from '../actors/calls.ts'
import type { Engine } from '../actors/engine.ts'

/** The engine of this node. */
export type LocalEngine = Pick<Engine, keyof ActorCalls | 'has' | 'release' | 'adopt' | 'activations'>

export interface Views {
  /** The view of that node differs from this one's. */
  syncWith(id: string): void
  /** A wire to that node was refused, found no way, or broke: is it still there? */
  reportRefused(id: string): void
}
