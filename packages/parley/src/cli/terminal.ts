import type { Readable, Writable } from 'node:stream'

/** What a command reads from and writes to: the process's own streams, or a test's. */
export interface Terminal {
  readonly input: Readable
  readonly output: Writable
  readonly error: Writable
  /** Aborts when the user or the system asks the command to stop. */
  readonly stop: AbortSignal
}

/** Writes one line and resolves when the stream wants more: the only way in which commands print. */
export function printLine(stream: Writable, line: string): Promise<void> {
  if (stream.write(`${line}\n`)) return Promise.resolve()
  const { promise, resolve } = Promise.withResolvers<void>()
  const done = () => {
    stream.off('drain', done).off('close', done)
    resolve()
  }
  stream.on('drain', done).on('close', done)
  return promise
}

/** Resolves when the command is asked to stop. */
export function stopped(stop: AbortSignal): Promise<void> {
  if (stop.aborted) return Promise.resolve()
  const { promise, resolve } = Promise.withResolvers<void>()
  stop.addEventListener('abort', () => resolve(), { once: true })
  return promise
}
