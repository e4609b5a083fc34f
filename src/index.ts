/** `troupe`: what an app module and a program that embeds a node import. Browsers import `troupe/client`. */
export * from './actors/define.ts'
export type { Log, LogFields } from './base/log.ts'
export { ERRORS, TroupeError, type ErrorCode, type ErrorRow } from './errors.ts'
export { startNode, type NodeConfig, type RunningNode } from './node.ts'
export { StartError } from './node/start-error.ts'
export { OptionError, OPTIONS, type OptionName, type OptionRow, type Options } from './options.ts'
