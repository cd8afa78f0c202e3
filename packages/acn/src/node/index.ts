export type {
  CarriedEnd,
  CarriedEnvelope,
  CarriedInVain,
  Carrying,
  FromCarrier,
} from '../routing/index.ts'
export { AcnNode, type AcnNodeOptions, type CarrierParts, type NodeCarrier } from './acn-node.ts'
export { type NodeProcess, runNodeProcess, storagePaths } from './node-process.ts'
