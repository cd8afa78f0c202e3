/** What is used of a database that the engine has opened. */
interface OpenDatabase {
  exec(sql: string): unknown
  close(): unknown
}

/**
 * An exclusive transaction in a file of its own that is never finished: the system drops its lock with the process, however
 * that ends. There is nothing in the file. Closing what is returned gives the lock up.
 * @param Engine opens the file
 * @throws the engine's error when somebody has it
 */
export function takeLock<Database extends OpenDatabase>(
  Engine: new (file: string, options: { readonly timeout: number }) => Database,
  file: string,
): Database {
  const lock = new Engine(file, { timeout: 0 })
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    throw error
  }
}
