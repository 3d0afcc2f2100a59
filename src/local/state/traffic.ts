/** How much went in and out since the engine began: counted, never reset, so that whoever looks twice knows a rate. */
export interface TrafficCounts {
  putRecords: number
  /** Data and keys. */
  putBytes: number
  /** By GetRecords and SubscribeToShard; each reader counts. */
  getRecords: number
  getBytes: number
}

/** The traffic of one stream and of its shards. */
export class Traffic {
  readonly total: TrafficCounts = noTraffic()
  readonly #shards = new Map<number, TrafficCounts>()

  shard(shardIndex: number): Readonly<TrafficCounts> {
    return this.#shards.get(shardIndex) ?? nothing
  }

  put(shardIndex: number, recordCount: number, bytes: number): void {
    const counts = this.#of(shardIndex)
    counts.putRecords += recordCount
    counts.putBytes += bytes
    this.total.putRecords += recordCount
    this.total.putBytes += bytes
  }

  got(shardIndex: number, recordCount: number, bytes: number): void {
    const counts = this.#of(shardIndex)
    counts.getRecords += recordCount
    counts.getBytes += bytes
    this.total.getRecords += recordCount
    this.total.getBytes += bytes
  }

  /** Shards that have expired are counted in the total only. */
  forgetAllBut(known: ReadonlyMap<number, unknown>): void {
    for (const shardIndex of this.#shards.keys()) if (!known.has(shardIndex)) this.#shards.delete(shardIndex)
  }

  #of(shardIndex: number): TrafficCounts {
    let counts = this.#shards.get(shardIndex)
    if (counts === undefined) {
      counts = noTraffic()
      this.#shards.set(shardIndex, counts)
    }
    return counts
  }
}

const nothing = noTraffic()

function noTraffic(): TrafficCounts {
  return { putRecords: 0, putBytes: 0, getRecords: 0, getBytes: 0 }
}
