import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type CheckResult, codeOf, failed, ok, warning } from './check.ts'

const NEEDED_NODE = 24
const MIB = 1024 * 1024
/** Free space below which somebody should look, and below which stores will soon fail. */
const LITTLE_SPACE = 1024 * MIB
const NO_SPACE = 64 * MIB
/** How far apart clocks may be: contact cards of the future are refused beyond. */
const SKEW = 5 * 60_000
const LITTLE_SKEW = 30_000
/** Seconds from 1900, where NTP counts from, to 1970. */
const NTP_EPOCH = 2_208_988_800
const NTP_LENGTH = 48
const NTP_TIMEOUT = 5_000

/** The version of Node. */
export function checkNode(version: string = process.versions.node): CheckResult {
  if (Number(version.split('.')[0]) >= NEEDED_NODE) return ok('Node', version)
  return failed('Node', version, `Parley needs Node ${NEEDED_NODE} or newer`)
}

/** Space on the disk of a folder, or of where it will be made. */
export async function checkDisk(folder: string): Promise<CheckResult> {
  const { bavail, bsize } = await statfs(await existing(folder))
  const free = bavail * bsize
  const found = `${Math.floor(free / MIB)} MiB free`
  if (free < NO_SPACE) return failed('disk', found, 'make room: messages can soon not be stored any more')
  if (free < LITTLE_SPACE) return warning('disk', found, 'make room before it is needed')
  return ok('disk', found)
}

/**
 * The clock: files of the data folder are not of the future, and a time server agrees, when one is named.
 * @param ntpServer host, or host:port
 */
export async function checkClock(
  files: readonly string[],
  ntpServer: string | undefined,
  now: number = Date.now(),
): Promise<CheckResult> {
  const times = await Promise.all(files.map(modified))
  const newest = Math.max(0, ...times)
  const advice = 'set the clock: cards, proofs and certificates hold for a time'
  if (newest > now + SKEW) {
    return failed('clock', `files were written at ${new Date(newest).toISOString()}, which is yet to come`, advice)
  }
  if (ntpServer === undefined) return ok('clock', `${new Date(now).toISOString()}; not before anything that was stored`)
  let ahead: number
  try {
    ahead = await clockAhead(ntpServer)
  } catch (error) {
    return warning('clock', `${ntpServer} does not tell the time: ${codeOf(error)}`, 'name another time server')
  }
  const found = `${Math.abs(Math.round(ahead / 1000))} s ${ahead < 0 ? 'behind' : 'ahead of'} ${ntpServer}`
  if (Math.abs(ahead) > SKEW) return failed('clock', found, advice)
  return Math.abs(ahead) > LITTLE_SKEW ? warning('clock', found, advice) : ok('clock', found)
}

/** How far our clock is ahead of a time server's, ms: one question of SNTP, RFC 4330. */
async function clockAhead(server: string): Promise<number> {
  const [, host = server, port = '123'] = /^\[?(.*?)\]?:(\d+)$/.exec(server) ?? []
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  try {
    socket.connect(Number(port), host)
    await once(socket, 'connect', { signal: AbortSignal.timeout(NTP_TIMEOUT) })
    const question = Buffer.alloc(NTP_LENGTH)
    // Version 4, client.
    question[0] = 0x23
    const answered = once(socket, 'message', { signal: AbortSignal.timeout(NTP_TIMEOUT) })
    const asked = Date.now()
    socket.send(question)
    const [answer] = (await answered) as [Buffer]
    // Stratum 0 tells that the server has no time.
    if (answer.length < NTP_LENGTH || answer[1] === 0) throw new Error('no time in the answer')
    const seconds = answer.readUInt32BE(40) - NTP_EPOCH + answer.readUInt32BE(44) / 2 ** 32
    return (asked + Date.now()) / 2 - seconds * 1000
  } finally {
    socket.close()
  }
}

async function modified(file: string): Promise<number> {
  try {
    return (await stat(file)).mtimeMs
  } catch {
    return 0
  }
}

/** The folder itself, or the nearest above it that is there. */
async function existing(folder: string): Promise<string> {
  for (let path = folder; ; path = dirname(path)) {
    if ((await modified(path)) > 0 || path === dirname(path)) return path
  }
}
