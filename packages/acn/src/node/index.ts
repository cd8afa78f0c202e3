export { AcnNode, type AcnNodeOptions } from './acn-node.ts'
export { type NodeProcess, runNodeProcess, storagePaths } from './node-process.ts'
