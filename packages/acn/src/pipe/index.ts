export { NodePipe, type NodePipeOptions } from './node-pipe.ts'
export { PipeEntry, type PipeEntryOptions } from './pipe-entry.ts'
