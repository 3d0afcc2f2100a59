/** Members that several operations share, with the constraints of the 2026 service model. */

const nameText = { type: 'String', minLength: 1, maxLength: 128, pattern: '[a-zA-Z0-9_.-]+' } as const
const sequenceNumberText = { type: 'String', pattern: '0|([1-9]\\d{0,128})' } as const
const hashKeyText = { type: 'String', pattern: '0|([1-9]\\d{0,38})' } as const

export const streamName = nameText
export const shardId = nameText
export const consumerName = nameText
export const sequenceNumber = sequenceNumberText
export const hashKey = hashKeyText

export const streamArn = {
  type: 'String',
  minLength: 1,
  maxLength: 2048,
  pattern: 'arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+',
} as const

export const consumerArn = {
  type: 'String',
  minLength: 1,
  maxLength: 2048,
  pattern: '^(arn):aws.*:kinesis:.*:\\d{12}:.*stream\\/[a-zA-Z0-9_.-]+\\/consumer\\/[a-zA-Z0-9_.-]+:[0-9]+',
} as const

/** Of a stream, or of something that belongs to one. */
export const resourceArn = {
  type: 'String',
  minLength: 1,
  maxLength: 2048,
  pattern: 'arn:aws.*:kinesis:.*:\\d{12}:.*(stream|channel)/\\S+',
} as const

/** Accepted and ignored: we never hand one out (a client that echoes it leaves our endpoint). */
export const streamId = { type: 'String' } as const

/** A stream's name, its ARN, or both; `findStream` says what holds when both are given. */
export const optionalStreamReference = { StreamName: streamName, StreamARN: streamArn, StreamId: streamId } as const

/** How operations on one stream name it. */
export const streamReference = {
  ...optionalStreamReference,
  StreamName: { ...streamName, requiredUnless: (siblings: ReadonlyMap<string, unknown>) => siblings.has('StreamARN') },
} as const

/** A consumer by its ARN, or by its stream's ARN and its name; `findConsumer` says what holds. */
export const consumerReference = {
  StreamARN: streamArn,
  ConsumerName: consumerName,
  ConsumerARN: consumerArn,
  StreamId: streamId,
} as const

export const pageLimit = { type: 'Integer', min: 1, max: 10_000 } as const
export const nextToken = { type: 'String', minLength: 1, maxLength: 1_048_576 } as const
export const timestamp = { type: 'Timestamp' } as const
export const shardCount = { type: 'Integer', min: 1, max: 100_000 } as const

export const partitionKey = { type: 'String', minLength: 1, maxLength: 256 } as const
export const data = { type: 'Blob', maxLength: 10_485_760, legacy: { maxLength: 1_048_576 } } as const

export const streamModeDetails = {
  type: 'Structure',
  members: { StreamMode: { type: 'String', required: true, values: ['PROVISIONED', 'ON_DEMAND'] } },
} as const

const tagKeyLengths = [1, 128] as const

export const tags = {
  type: 'Map',
  minLength: 1,
  maxLength: 200,
  keyLengths: tagKeyLengths,
  valueLengths: [0, 256],
  legacy: { maxLength: 10 },
} as const

export const tagKeys = {
  type: 'List',
  minLength: 1,
  maxLength: 50,
  member: { type: 'String', minLength: tagKeyLengths[0], maxLength: tagKeyLengths[1] },
  legacy: { maxLength: 10 },
} as const

export const maxRecordSizeInKib = { type: 'Integer', min: 1_024, max: 10_240 } as const
export const warmThroughputMiBps = { type: 'Integer', min: 0 } as const
export const recordDistribution = { type: 'String', values: ['AUTO', 'USER_PARTITION_KEY'] } as const
export const encryptionType = { type: 'String', values: ['NONE', 'KMS'] } as const
export const keyId = { type: 'String', minLength: 1, maxLength: 2048 } as const

const metricNames = [
  'IncomingBytes',
  'IncomingRecords',
  'OutgoingBytes',
  'OutgoingRecords',
  'WriteProvisionedThroughputExceeded',
  'ReadProvisionedThroughputExceeded',
  'IteratorAgeMilliseconds',
] as const

export const shardLevelMetrics = {
  type: 'List',
  minLength: 1,
  maxLength: metricNames.length,
  member: { type: 'String', values: [...metricNames, 'ALL'] },
} as const

/** The member, absent being a violation. */
export function required<const S extends object>(shape: S): S & { readonly required: true } {
  return { ...shape, required: true }
}
