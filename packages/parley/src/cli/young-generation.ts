import { setFlagsFromString } from 'node:v8'

/**
 * For a server that runs long: under load V8 gives the young generation up to 128 MiB and keeps them. With what it has at
 * the start a router and a node are as fast, take less memory, and pause for less.
 */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}
