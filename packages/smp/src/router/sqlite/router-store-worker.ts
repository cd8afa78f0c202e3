/**
 * The thread that owns the router's database: it may block on the disk, the router's thread never does.
 * A file of its own because a thread needs one; bundles emit it under this name next to themselves.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { ByteReader } from '@parley/core/encoding'
import { packBytes } from '@parley/core/pack-bytes'
import { takeLock } from '@parley/core/storage'
import Database from 'libsql'
import { decodeOperations } from './operation-codec.ts'
import type { FromWorker, Outcome, ToWorker, WorkerOptions } from './operations.ts'
import { QueueDatabase } from './queue-database.ts'

function main(): void {
  const port = parentPort
  if (!port) throw new Error('runs as a worker thread only')
  const send = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer)

  const { file, lockFile, shared } = workerData as WorkerOptions
  let lock: Database.Database
  let database: QueueDatabase
  try {
    lock = takeLock(Database, lockFile)
  } catch (error) {
    send({ type: 'failed', locked: true, error: (error as Error).message })
    return
  }
  try {
    database = new QueueDatabase(file)
  } catch (error) {
    lock.close()
    send({ type: 'failed', locked: false, error: (error as Error).message })
    return
  }

  const runBatch = (operations: Uint8Array | number) => {
    const bytes = typeof operations === 'number' ? Buffer.from(shared, 0, operations) : operations
    const outcomes = database.execute(decodeOperations(new ByteReader(bytes)))
    if (outcomes.every((outcome) => 'answer' in outcome && outcome.answer === undefined)) {
      send({ type: 'outcomes' })
      return
    }
    const [packed, buffer] = packBytes<readonly Outcome[]>(outcomes)
    send({ type: 'outcomes', outcomes: packed }, [buffer])
  }
  port.on('message', (message: ToWorker) => {
    if (message.type === 'batch') return runBatch(message.operations)
    database.close()
    lock.close()
    send({ type: 'closed' })
    port.close()
  })
  send({ type: 'opened', nextMessageNumber: database.nextMessageNumber })
}

main()
