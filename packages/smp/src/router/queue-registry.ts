import type { EntityId } from '../protocol/types.ts'
import { type IdKey, idKey } from './id-key.ts'
import { LiveQueue } from './live-queue.ts'
import type { LoadedQueue, QueueIdKind, QueueNumber, RouterStore } from './store.ts'

/** How many queues in use are stepped over at a time in the search for one that can be forgotten. */
const EVICTION_STEPS = 8

/** A queue that a command named, held until {@link QueueRegistry.release}. */
export interface Found {
  readonly queue: LiveQueue | undefined
  /** False when the store had to be asked: refusals must not show the difference, see `verification.ts`. */
  readonly fromMemory: boolean
}

/**
 * The queues in memory, by each of their ids. Reads others from the store when they are named, and forgets those
 * that were not used for longest, so that memory does not grow with the number of queues.
 */
export class QueueRegistry {
  readonly #store: RouterStore
  readonly #capacity: number
  /** In the order of last use. */
  readonly #byNumber = new Map<QueueNumber, LiveQueue>()
  readonly #byId: Record<QueueIdKind, Map<IdKey, LiveQueue>> = {
    recipient: new Map(),
    sender: new Map(),
    link: new Map(),
  }

  /** @param capacity queues kept in memory besides those in use */
  constructor(store: RouterStore, capacity: number) {
    this.#store = store
    this.#capacity = capacity
  }

  /** Number of queues in memory. */
  get size(): number {
    return this.#byNumber.size
  }

  /**
   * The queues with these ids, in the same order. Each one found is in use until it is released.
   * @throws StoreError
   */
  async acquire(kind: QueueIdKind, ids: readonly EntityId[]): Promise<Found[]> {
    const found: Found[] = ids.map((id) => {
      const queue = this.#byId[kind].get(idKey(id))
      return queue && !queue.isStale ? this.#use(queue, true) : { queue: undefined, fromMemory: false }
    })
    const missing = found.flatMap(({ queue }, index) => (queue ? [] : [index]))
    if (missing.length === 0) return found
    let loaded: (LoadedQueue | undefined)[]
    try {
      loaded = await this.#store.getQueues(
        kind,
        missing.map((index) => ids[index] as EntityId),
      )
    } catch (error) {
      this.release(found)
      throw error
    }
    for (const [position, index] of missing.entries()) {
      const one = loaded[position]
      const queue = one && this.#adopt(one)
      if (queue) found[index] = this.#use(queue, false)
    }
    return found
  }

  /** The queue with this number if it is in memory. */
  get(number: QueueNumber): LiveQueue | undefined {
    return this.#byNumber.get(number)
  }

  /** The queue with this recipient id if it is in memory. */
  peek(rcvId: EntityId): LiveQueue | undefined {
    return this.#byId.recipient.get(idKey(rcvId))
  }

  release(found: readonly Found[]): void {
    for (const { queue } of found) if (queue) queue.uses--
  }

  /** Takes in a queue that was just stored, or read. */
  add(loaded: LoadedQueue): LiveQueue {
    return this.#adopt(loaded) ?? new LiveQueue(loaded)
  }

  /** Forgets the ids of a queue that is being deleted; nobody finds it any more. */
  remove(queue: LiveQueue): void {
    queue.isDeleted = true
    this.#removeIds(queue)
  }

  /** The store has finished deleting, or failed to: either way what it has is the truth again. */
  forget(queue: LiveQueue): void {
    this.#byNumber.delete(queue.number)
  }

  addLink(queue: LiveQueue, linkId: EntityId): void {
    this.#byId.link.set(idKey(linkId), queue)
  }

  removeLink(linkId: EntityId): void {
    this.#byId.link.delete(idKey(linkId))
  }

  #use(queue: LiveQueue, fromMemory: boolean): Found {
    queue.uses++
    // Last in the map is last used.
    this.#byNumber.delete(queue.number)
    this.#byNumber.set(queue.number, queue)
    return { queue, fromMemory }
  }

  /** Another command may have read the same queue meanwhile, and changed or deleted it. */
  #adopt(loaded: LoadedQueue): LiveQueue | undefined {
    const known = this.#byNumber.get(loaded.number)
    if (known?.isDeleted) return undefined
    if (known?.isStale) {
      this.#removeIds(known)
      known.refresh(loaded)
      this.#addIds(known)
    }
    if (known) return known
    if (this.#byNumber.size >= this.#capacity) this.#evict()
    const queue = new LiveQueue(loaded)
    this.#byNumber.set(queue.number, queue)
    this.#addIds(queue)
    return queue
  }

  #evict(): void {
    let steps = 0
    for (const queue of this.#byNumber.values()) {
      if (queue.uses === 0 && !queue.isDeleted) {
        this.#byNumber.delete(queue.number)
        this.#removeIds(queue)
        return
      }
      if (++steps > EVICTION_STEPS) return
      // Not to be looked at again before all others.
      this.#byNumber.delete(queue.number)
      this.#byNumber.set(queue.number, queue)
    }
  }

  #addIds(queue: LiveQueue): void {
    const { rcvId, sndId, linkId } = queue.record
    this.#byId.recipient.set(idKey(rcvId), queue)
    this.#byId.sender.set(idKey(sndId), queue)
    if (linkId) this.addLink(queue, linkId)
  }

  #removeIds(queue: LiveQueue): void {
    const { rcvId, sndId, linkId } = queue.record
    this.#byId.recipient.delete(idKey(rcvId))
    this.#byId.sender.delete(idKey(sndId))
    if (linkId) this.removeLink(linkId)
  }
}
