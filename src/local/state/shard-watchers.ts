/** Who wants to hear when there may be something new in a shard of a stream: a record, its end, or the stream's. */
export class ShardWatchers {
  readonly #byShard = new Map<number, Set<() => void>>()

  /** Answers the function that ends the watch. */
  watch(shardIndex: number, wake: () => void): () => void {
    let watchers = this.#byShard.get(shardIndex)
    if (watchers === undefined) {
      watchers = new Set()
      this.#byShard.set(shardIndex, watchers)
    }
    watchers.add(wake)
    return () => {
      watchers.delete(wake)
      if (watchers.size === 0 && this.#byShard.get(shardIndex) === watchers) this.#byShard.delete(shardIndex)
    }
  }

  wake(shardIndex: number): void {
    const watchers = this.#byShard.get(shardIndex)
    if (watchers !== undefined) for (const wake of watchers) wake()
  }

  wakeAll(): void {
    for (const shardIndex of this.#byShard.keys()) this.wake(shardIndex)
  }
}
