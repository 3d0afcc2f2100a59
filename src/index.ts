// The library's table of contents: what is not listed here may change from version to version.

export { type ArchivedRecord, ArchiveIterator } from './archive/archive-iterator.ts'
export type { ArchiveStore, ByteRange, ObjectUpload, StoredObject } from './archive/archive-store.ts'
export { type OpenStoreOptions, openStore } from './archive/open-store.ts'
export type { Day } from './archive/read-archives.ts'
export { type StreamFromStoreOptions, streamFromStore } from './archive/stream-from-store.ts'
export type { Checkpoint, CheckpointRow, CheckpointStore } from './checkpoint/checkpoint-store.ts'
export type { Lease, LeaseFacts, LeaseStore } from './checkpoint/lease-store.ts'
export { MemoryCheckpointStore } from './checkpoint/memory-checkpoint-store.ts'
export { MemoryLeaseStore } from './checkpoint/memory-lease-store.ts'
export {
  type OpenCheckpointStoreOptions,
  openCheckpointStore,
  openLeaseStore,
} from './checkpoint/open-checkpoint-store.ts'
export { type Clock, systemClock, type Timer } from './clock.ts'
export {
  type Config,
  defaultConfigPath,
  definitionOf,
  loadConfig,
  type PartitionKeyText,
  parseConfig,
  type StreamDefinition,
  type StreamFormat,
} from './config.ts'
export type { CheckpointTarget, Fallback, IterateOptions, StartPosition } from './consumer/read-settings.ts'
export type { StreamIterator } from './consumer/stream-iterator.ts'
export type { DecodedRecord, StreamRecord, UndecodedRecord } from './consumer/stream-record.ts'
export type { DropReason } from './daemon/drop-report.ts'
export type { DurableRefusalReason } from './daemon/durable-protocol.ts'
export { type DurableFailure, DurablePutError } from './daemon/durable-put-error.ts'
export type { NonblockingStreamOptions } from './daemon/nonblocking-options.ts'
export {
  getNonblockingStream,
  type NonblockingCounts,
  type NonblockingPutOptions,
  NonblockingStream,
} from './daemon/nonblocking-stream.ts'
export { type Diagnostic, type DiagnosticType, diagnosticsChannelName, observe } from './diagnostics.ts'
export {
  ClosedError,
  ConfigError,
  FormatError,
  LeaseHeldError,
  LeaseLostError,
  NotFoundError,
  RecordError,
  RefusedError,
  StorageError,
  ThrottledError,
  TritonCheckpointError,
  TritonError,
  UnavailableError,
} from './errors.ts'
export { DeadLetterStore } from './group/dead-letter-store.ts'
export { deadLettersTo } from './group/dead-letters-to-stream.ts'
export type { DeadLetter, DeadLetterPlace, FailurePolicy } from './group/failure-policy.ts'
export type { HandlerContext } from './group/handler-context.ts'
export type { Worker } from './group/worker.ts'
export type { BatchHandler, RecordHandler, WorkerOptions } from './group/worker-options.ts'
export { type AwsKinesisOptions, createAwsKinesisApi } from './kinesis/aws-kinesis-api.ts'
export type {
  ChildShard,
  EncodedRecord,
  KinesisApi,
  Page,
  PutAnswer,
  PutEntry,
  StreamSummary,
} from './kinesis/kinesis-api.ts'
export type { Position } from './kinesis/position.ts'
export { KinesisCallError, type RetryClass } from './kinesis/retry-class.ts'
export { compareSequenceNumbers, parseSequenceNumber, type SequenceNumberParts } from './kinesis/sequence-number.ts'
export { isOpen, type Shard, shardIdOf, shardIndexOf } from './kinesis/shard.ts'
export type { ProducerOptions } from './producer/producer-options.ts'
export { type PutAccepted, PutError, type PutResult } from './producer/put-outcome.ts'
export { type Random, seededRandom, systemRandom } from './random.ts'
export { MsgpackExt } from './record/msgpack-ext.ts'
export { MsgpackMap } from './record/msgpack-map.ts'
export { type RecordCodec, type RecordCodecOptions, recordCodec } from './record/record-codec.ts'
export type { RecordPlace } from './record/tri-positions.ts'
export type { Replay, Replayed, ReplayedRecord, UndecodedReplay } from './replay/replay.ts'
export type { ReplayRate } from './replay/replay-pace.ts'
export { type CreateWorkerOptions, createWorker } from './stream/create-worker.ts'
export { initCheckpointTable } from './stream/init-checkpoint-table.ts'
export {
  getStream,
  type PutKeys,
  type PutManyOptions,
  type PutOptions,
  type PutOutcome,
  type RecordFailed,
  Stream,
  type StreamOptions,
  type StreamReplayOptions,
} from './stream.ts'
