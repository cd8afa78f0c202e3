import { closeSync, fsyncSync, openSync } from 'node:fs'

/** Makes an empty file that only its owner can read, unless there is one: keys and contents go into it. */
export function makePrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600))
}

/** Brings a file, or the entries of a folder, to the disk. */
export function syncPath(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
