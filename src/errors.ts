/** What every error of Triton's has: a code that never changes, and whether trying again can help. */
export abstract class TritonError extends Error {
  /** Stable, machine-readable; the message may change between versions, the code does not. */
  abstract readonly code: string
  /** True when the same call can succeed later without anybody changing anything. */
  readonly retryable: boolean = false

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** triton.yaml, the environment or an option is wrong; the message says where and what would be right. */
export class ConfigError extends TritonError {
  readonly code = 'TRITON_CONFIG'
}

/** A record cannot be written: its partition key is missing or too long, or it is larger than the stream takes. */
export class RecordError extends TritonError {
  readonly code = 'TRITON_RECORD'
}

/** Bytes are not what the format says; carries where reading stopped. */
export class FormatError extends TritonError {
  readonly code = 'TRITON_FORMAT'
  /** Byte offset (binary formats) or character offset (text) at which reading stopped. */
  readonly offset: number

  constructor(message: string, offset: number, options?: ErrorOptions) {
    super(message, options)
    this.offset = offset
  }
}

/** A checkpoint was asked for without a client name or database, or the database refused it. */
export class TritonCheckpointError extends TritonError {
  readonly code: string = 'TRITON_CHECKPOINT'
  override readonly retryable: boolean

  constructor(message: string, options: ErrorOptions & { retryable?: boolean } = {}) {
    super(message, options)
    this.retryable = options.retryable ?? false
  }
}

/**
 * What was leased belongs to somebody else now, or could not be renewed in time: whoever had it must stop, and nothing
 * of it is written any more.
 */
export class LeaseLostError extends TritonError {
  readonly code = 'TRITON_LEASE_LOST'
}

/** Only one may do this at a time, and somebody else does. */
export class LeaseHeldError extends TritonError {
  readonly code = 'TRITON_LEASE_HELD'
  override readonly retryable = true
}

/** The stream, shard or position asked for does not exist. */
export class NotFoundError extends TritonError {
  readonly code = 'TRITON_NOT_FOUND'
}

/** Kinesis asked us to slow down, for longer than the caller allowed us to retry. */
export class ThrottledError extends TritonError {
  readonly code = 'TRITON_THROTTLED'
  override readonly retryable = true
}

/** Kinesis could not be reached, or answered with nothing that its API allows, for longer than we may retry. */
export class UnavailableError extends TritonError {
  readonly code = 'TRITON_UNAVAILABLE'
  override readonly retryable = true
}

/** Kinesis understood the request and refused it; the message holds its own words. */
export class RefusedError extends TritonError {
  readonly code = 'TRITON_REFUSED'
  /** Kinesis' name for it, such as `ResourceInUseException`. */
  readonly awsCode: string

  constructor(message: string, awsCode: string, options?: ErrorOptions) {
    super(message, options)
    this.awsCode = awsCode
  }
}

/** The thing was closed, or its `AbortSignal` fired, before the call could be carried out. */
export class ClosedError extends TritonError {
  readonly code = 'TRITON_CLOSED'
}

/** A file or directory on disk can't be used: locked by another process, damaged, full. */
export class StorageError extends TritonError {
  readonly code: string = 'TRITON_STORAGE'
}

/** States what cannot be. A failure here is a bug in Triton, never the caller's. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${what}`)
}
