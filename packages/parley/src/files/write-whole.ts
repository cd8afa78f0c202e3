import { randomUUID } from 'node:crypto'
import { link, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Writes a file that only its owner can read, whole or not at all, also when the power fails.
 * @param options.replace false leaves a file that is there as it is
 * @returns whether it was written
 */
export async function writeWhole(
  file: string,
  content: string | Uint8Array,
  { replace }: { readonly replace: boolean },
): Promise<boolean> {
  // Of its own: others may be writing the same file.
  const temporary = `${file}.${randomUUID()}.new`
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (replace) await rename(temporary, file)
    else await link(temporary, file)
    await syncFolder(dirname(file))
    return true
  } catch (error) {
    if (!replace && (error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(temporary, { force: true })
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
