/**
 * Kinesis' own numbers. Sources: "Quotas and limits" and the API reference of PutRecords, GetRecords and
 * GetShardIterator in the Kinesis Data Streams documentation, 2026.
 */

/** Records in one PutRecords request. */
export const maxBatchRecords = 500
/** Data and partition keys of one PutRecords request. */
export const maxBatchBytes = 10 * 1024 * 1024
/** Data and partition key of one record, on a stream whose MaxRecordSizeInKiB was never raised. */
export const defaultMaxRecordBytes = 1024 * 1024
/** What MaxRecordSizeInKiB can be raised to. */
export const highestMaxRecordBytes = 10 * 1024 * 1024
/** Unicode code points of a partition key. */
export const maxPartitionKeyLength = 256
/** Records in one GetRecords answer. */
export const maxGetRecords = 10_000
/** GetRecords calls per shard and second. */
export const getRecordsPerSecond = 5
/** An iterator older than this is refused. */
export const iteratorLifeMs = 300_000
/** Shards in one ListShards answer, unless more are asked for. */
export const listShardsPage = 1_000
