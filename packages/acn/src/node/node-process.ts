import type { NodeSettings } from '../protocol/index.ts'
import { PeerKey } from '../record/index.ts'
import { AcnNode, type AcnNodeOptions } from './acn-node.ts'

/** What a node's process needs of its surroundings. */
export interface NodeProcess {
  /** Writes a line to the standard output, which those who start a node read. */
  print(line: string): void
  /** Aborts when the process is asked to end. */
  readonly stop: AbortSignal
  /** Called when the node runs; what it gives is ended before the node. */
  onRunning?(node: AcnNode): Promise<AsyncDisposable | undefined>
}

/** Where the Go node would keep its record store, and the folder of ours beside it. `spec/acn.md §11`. */
export function storagePaths({ storagePath, peerKey }: NodeSettings): { goRecordStore: string; dataFolder: string } {
  const goRecordStore = storagePath ?? `./agent_records_store_${new PeerKey(peerKey).peerId}`
  return { goRecordStore, dataFolder: `${goRecordStore}.parley` }
}

/**
 * Runs a node as the Go program does, until it is asked to stop: prints its multiaddrs between the two markers before
 * it connects to its agent. `spec/acn.md §2`.
 * @throws what keeps the node from starting or from going on
 */
export async function runNodeProcess(options: AcnNodeOptions, { print, stop, onRunning }: NodeProcess): Promise<void> {
  const started = await startUnlessStopped(options, { print, stop })
  if (!started) return
  try {
    print('Peer running')
    await using _ = await onRunning?.(started)
    await Promise.race([started.failed, aborted(stop)])
  } finally {
    await started.stop()
  }
}

async function startUnlessStopped(
  options: AcnNodeOptions,
  { print, stop }: Pick<NodeProcess, 'print' | 'stop'>,
): Promise<AcnNode | undefined> {
  try {
    return await AcnNode.start(
      {
        ...options,
        log: options.log ?? ((level, line) => print(`${new Date().toISOString()} ${level}: ${line}`)),
        onListening: (multiaddrs) => {
          print('MULTIADDRS_LIST_START')
          print(multiaddrs.join('\n'))
          print('MULTIADDRS_LIST_END')
        },
      },
      stop,
    )
  } catch (error) {
    if (stop.aborted) return undefined
    throw error
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  const { promise, resolve } = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}
