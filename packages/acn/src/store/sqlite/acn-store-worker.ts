/**
 * The thread that owns the node's database: it may block on the disk, the node's thread never does.
 * A file of its own because a thread needs one; bundles emit it under this name next to themselves.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { packBytes } from '@parley/core/pack-bytes'
import Database from 'libsql'
import { AcnDatabase } from './acn-database.ts'
import type { FromWorker, Operation, Outcome, ToWorker, WorkerOptions } from './operations.ts'

function main(): void {
  const port = parentPort
  if (!port) throw new Error('runs as a worker thread only')
  const send = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer)
  const fail = (locked: boolean, error: unknown) =>
    send({ type: 'failed', locked, error: error instanceof Error ? error.message : String(error) })

  const { file, lockFile, limits } = workerData as WorkerOptions
  let lock: Database.Database
  let database: AcnDatabase
  try {
    lock = takeLock(lockFile)
  } catch (error) {
    fail(true, error)
    return
  }
  try {
    database = new AcnDatabase(file, limits)
  } catch (error) {
    lock.close()
    fail(false, error)
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

/** An exclusive transaction that is never finished: the system drops its lock with the process, however that ends. */
function takeLock(file: string): Database.Database {
  const lock = new Database(file, { timeout: 0 })
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    throw error
  }
}

main()
