import type { BlockConnection, BlockSeal } from '@parley/core/transport'
import { packTransmissions, type SignedTransmission } from '../protocol/index.ts'

/** A signed command on its way. */
export interface OutgoingCommand {
  readonly corrId: Uint8Array
  readonly entityId: Uint8Array
  readonly transmission: SignedTransmission
}

export interface OutboxComponents {
  readonly connection: BlockConnection
  readonly seal: BlockSeal
  readonly version: number
  /** False for commands that nobody waits for any more: they are not sent. */
  readonly isWanted: (corrId: Uint8Array) => boolean
  /** The command is larger than a block. */
  readonly onTooLarge: (corrId: Uint8Array) => void
  /** Something here failed that should not; the connection cannot go on. */
  readonly onFailure: (error: unknown) => void
}

/**
 * Packs the commands given in one turn of the event loop into blocks and writes them. While the connection is not
 * ready for more, commands collect for the next blocks; their number is that of callers that wait for an answer.
 */
export class Outbox {
  readonly #components: OutboxComponents
  #commands: OutgoingCommand[] = []
  #running = false

  constructor(components: OutboxComponents) {
    this.#components = components
  }

  add(command: OutgoingCommand): void {
    this.#commands.push(command)
    if (this.#running) return
    this.#running = true
    process.nextTick(Outbox.#start, this)
  }

  static #start(outbox: Outbox): void {
    void outbox.#run()
  }

  async #run(): Promise<void> {
    try {
      while (this.#commands.length > 0) {
        const commands = this.#commands
        this.#commands = []
        for (const batch of batches(commands)) await this.#write(batch)
      }
    } catch (error) {
      this.#components.onFailure(error)
    } finally {
      this.#running = false
    }
  }

  async #write(commands: readonly OutgoingCommand[]): Promise<void> {
    const { connection, seal, version, isWanted, onTooLarge } = this.#components
    const wanted = commands.filter(({ corrId }) => isWanted(corrId))
    const transmissions = wanted.map(({ transmission }) => transmission)
    for (const packed of packTransmissions(transmissions, version)) {
      if (packed.type === 'block') await connection.write(seal.encrypt(packed.content))
      else onTooLarge((wanted[packed.index] as OutgoingCommand).corrId)
    }
  }
}

/**
 * Runs of commands that may share a block. Routers do not execute the commands of a block in their order
 * (`spec/smp.md §5.1`), so two commands for one entity never share one.
 */
function batches(commands: readonly OutgoingCommand[]): readonly (readonly OutgoingCommand[])[] {
  if (commands.length === 1) return [commands]
  const runs: OutgoingCommand[][] = []
  let run: OutgoingCommand[] = []
  let entities = new Set<string>()
  for (const command of commands) {
    const entity = Buffer.from(command.entityId).toString('latin1')
    if (entity !== '' && entities.has(entity)) {
      runs.push(run)
      run = []
      entities = new Set()
    }
    entities.add(entity)
    run.push(command)
  }
  runs.push(run)
  return runs
}
