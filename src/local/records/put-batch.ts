import type { EngineCore } from '../engine-core.ts'
import { streamNotFound } from '../operations/find-stream.ts'
import type { RecordRefusal } from '../record-refusals.ts'
import type { LiveStream, ShardBatch, Written } from '../state/live-stream.ts'
import { packedLength, packRecord } from './packed-records.ts'

/** A record whose members were checked, before it has a shard. */
export interface IncomingRecord {
  /** UTF-8; undefined for a record without a key. */
  key: Buffer | undefined
  partitionKey: string | undefined
  explicitHashKey: bigint | undefined
  data: Buffer
}

/** What became of a request's records, in their order. */
export interface PutBatch {
  /** Shard index per record. */
  shardIndexes: Int32Array
  /** Per record why it was refused; empty when none was. */
  refusals: (RecordRefusal | undefined)[]
  written: Written
}

/**
 * Routes, numbers and stores the records of one request. Between routing and the log nothing waits, so a reshard
 * happens before all of it or after all of it.
 */
export async function putBatch(
  core: EngineCore,
  stream: LiveStream,
  records: readonly IncomingRecord[],
  operation: string,
): Promise<PutBatch> {
  await stream.log()
  if (!stream.isServing) throw streamNotFound(core, stream.state.name)
  const { routing, state } = stream
  const isAuto = state.distribution === 'AUTO'
  const shardIndexes = Int32Array.from(records, ({ explicitHashKey, partitionKey }) => {
    if (explicitHashKey !== undefined) return routing.shardOfHashKey(explicitHashKey)
    // Without a key also when the strategy has changed since the request was checked.
    return isAuto || partitionKey === undefined ? routing.nextInTurn() : routing.shardOf(partitionKey)
  })
  const judge = core.refusals.forRequest(operation, state.name)
  const refusals =
    judge === undefined
      ? []
      : records.map(({ key, data }, at) => judge(shardIndexes[at] as number, (key?.length ?? 0) + data.length))
  const written = stream.write(packByShard(records, shardIndexes, refusals), core.clock.now())
  await written.stored
  return { shardIndexes, refusals, written }
}

function packByShard(
  records: readonly IncomingRecord[],
  shardIndexes: Int32Array,
  refusals: readonly (RecordRefusal | undefined)[],
): ShardBatch[] {
  const sizes = new Map<number, number>()
  for (const [at, { key, data }] of records.entries()) {
    if (refusals[at] !== undefined) continue
    const shardIndex = shardIndexes[at] as number
    sizes.set(shardIndex, (sizes.get(shardIndex) ?? 0) + packedLength(key?.length ?? 0, data.length))
  }
  const batches = new Map<number, ShardBatch & { bytes: Buffer; end: number }>()
  for (const [shardIndex, size] of sizes)
    batches.set(shardIndex, { shardIndex, recordCount: 0, bytes: Buffer.allocUnsafe(size), end: 0 })
  for (const [at, { key, data }] of records.entries()) {
    const batch = refusals[at] === undefined ? batches.get(shardIndexes[at] as number) : undefined
    if (batch === undefined) continue
    batch.end = packRecord(batch.bytes, batch.end, key, data)
    batch.recordCount++
  }
  return [...batches.values()]
}
