import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What is kept of a conversation besides the agent's store and the history. */
export interface ConversationRecord {
  /** Routers on which own queues are made. */
  readonly servers: readonly [string, ...string[]]
  /** The link that was made here or is used; it is a secret until somebody has used it. */
  readonly link?: string
  readonly connId?: string
  /** The peer's own name, or none. */
  readonly peer?: string
  /** True once both sides are connected. */
  readonly connected?: boolean
}

/** The folder of conversations when none is given: `$XDG_DATA_HOME/parley`, else `~/.parley`. */
export function defaultDataFolder(): string {
  const { XDG_DATA_HOME: data } = process.env
  return data ? join(data, 'parley') : join(homedir(), '.parley')
}

/** One conversation's folder: its record, the agent's store and the history. Only the user may read it. */
export class ConversationFolder {
  readonly path: string
  #record: ConversationRecord | undefined

  private constructor(path: string) {
    this.path = path
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const file = join(path, 'conversation.json')
    if (existsSync(file)) this.#record = JSON.parse(readFileSync(file, 'utf8')) as ConversationRecord
  }

  /**
   * The folder of the conversation that a link begins, or of the one that was begun here without a link. Each has its
   * own, so that both ends of a conversation can run on one machine.
   */
  static open(dataFolder: string, link: string | undefined): ConversationFolder {
    const name =
      link === undefined ? 'invited' : `joined-${createHash('sha256').update(link).digest('hex').slice(0, 16)}`
    return new ConversationFolder(join(dataFolder, 'talk', name))
  }

  /** File of what an own ledger address and another one have said to each other; its folder is made when missing. */
  static historyOf(dataFolder: string, own: string, peer: string): string {
    const name = createHash('sha256').update(`${own} ${peer}`).digest('hex').slice(0, 16)
    return new ConversationFolder(join(dataFolder, 'talk', `with-${name}`)).historyPath
  }

  /** Puts the conversation that was begun here aside, so that a new one can begin; its history stays in a folder. */
  static putAside(dataFolder: string): void {
    const path = join(dataFolder, 'talk', 'invited')
    if (existsSync(path)) renameSync(path, `${path}-until-${new Date().toISOString().replaceAll(':', '-')}`)
  }

  get record(): ConversationRecord | undefined {
    return this.#record
  }

  get storePath(): string {
    return join(this.path, 'agent.db')
  }

  get historyPath(): string {
    return join(this.path, 'history.db')
  }

  /** Keeps the record; a crash leaves the old one or the new one. */
  save(record: ConversationRecord): void {
    const file = join(this.path, 'conversation.json')
    writeFileSync(`${file}.new`, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600, flush: true })
    renameSync(`${file}.new`, file)
    this.#record = record
  }

  /** Forgets everything in the folder: nothing was begun. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
