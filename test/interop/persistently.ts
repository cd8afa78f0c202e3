import { setTimeout as delay } from 'node:timers/promises'
import { CommandError } from './json-lines.ts'

/** Tries of a command when the router has been away, and milliseconds between them. */
const MAX_TRIES = 40
const TRY_INTERVAL = 500

/** Again and again while the router cannot be reached: agents remember for some seconds that they could not. */
export async function persistently<T>(run: (last: { readonly connId?: string }) => Promise<T>): Promise<T> {
  for (let last: { readonly connId?: string } = {}, tries = 1; ; tries++) {
    try {
      return await run(last)
    } catch (error) {
      if (!(error instanceof CommandError && error.isNetworkError) || tries === MAX_TRIES) throw error
      last = error.connId === undefined ? last : { connId: error.connId }
      await delay(TRY_INTERVAL)
    }
  }
}
