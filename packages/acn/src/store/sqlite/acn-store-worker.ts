/**
 * The thread that owns the node's database: it may block on the disk, the node's thread never does.
 * A file of its own because a thread needs one; bundles emit it under this name next to themselves.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { packBytes } from '@parley/core/pack-bytes'
import { keyToOpen, makePrivate, removeHalfMade, takeLock } from '@parley/core/storage'
import Database from 'libsql'
import { AcnDatabase } from './acn-database.ts'
import { storeErrorOf } from './database-file.ts'
import type { FromWorker, Operation, Outcome, ToWorker, WorkerOptions } from './operations.ts'

function main(): void {
  const port = parentPort
  if (!port) throw new Error('runs as a worker thread only')
  const send = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer)
  const { file, lockFile, limits, passphrase } = workerData as WorkerOptions
  let lock: Database.Database
  let database: AcnDatabase
  try {
    lock = takeLock(Database, lockFile)
  } catch (error) {
    send({ type: 'failed', code: 'LOCKED', error: storeErrorOf(error, lockFile).message })
    return
  }
  try {
    removeHalfMade(file)
    const key = keyToOpen(file, passphrase)
    // It holds envelopes; SQLite gives the files beside it the same mode.
    makePrivate(file)
    database = new AcnDatabase(file, limits, key)
  } catch (error) {
    lock.close()
    const { code, message } = storeErrorOf(error, file)
    send({ type: 'failed', code, error: message })
    return
  }

  const runBatch = (operations: readonly Operation[]) => {
    const [outcomes, buffer] = packBytes<readonly Outcome[]>(database.execute(operations))
    send({ type: 'outcomes', outcomes }, [buffer])
  }
  port.on('message', (message: ToWorker) => {
    if (message.type === 'batch') {
      runBatch(message.operations)
      return
    }
    database.close()
    lock.close()
    send({ type: 'closed' })
    port.close()
  })
  send({ type: 'opened' })
}

main()
