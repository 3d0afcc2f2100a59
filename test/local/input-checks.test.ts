import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { call, send, signed, wires } from './wire-client.ts'

/** Section 2 of the specification: types, constraints, and which stream is meant. */
let engine: LocalEngine
before(async () => {
  engine = await startTestEngine({ streams: [{ name: 'checked', shardCount: 1 }] })
})
after(() => engine.close())

const number = 'class com.amazon.coral.value.json.numbers.TruncatingBigNumber'
const boolean = 'class java.lang.Boolean'
const string = 'class java.lang.String'
const list = 'Start of list found where not expected'
const map = 'Start of structure or map found where not expected.'

describe('2.1 a wrong type', () => {
  const blob = (text: string, why: string): [string, object, string] => [
    'PutRecord',
    { Data: text },
    `'${text}' can not be converted to a Blob: ${why}`,
  ]
  const cases: [operation: string, input: object, message: string][] = [
    ['PutRecord', { StreamName: true }, `${boolean} can not be converted to an String`],
    ['PutRecord', { StreamName: 1 }, `${number} can not be converted to an String`],
    ['PutRecord', { StreamName: [] }, list],
    ['PutRecord', { StreamName: {} }, map],
    ['ListStreams', { Limit: 'x' }, `${string} can not be converted to an Integer`],
    ['ListStreams', { Limit: false }, `${boolean} can not be converted to an Integer`],
    ['ListStreams', { Limit: [1] }, list],
    ['ListStreams', { Limit: { a: 1 } }, map],
    ['DeleteStream', { EnforceConsumerDeletion: 'maybe' }, `'MAYBE' can not be converted to an Boolean`],
    ['DeleteStream', { EnforceConsumerDeletion: 1 }, `${number} can not be converted to an Boolean`],
    ['DeleteStream', { EnforceConsumerDeletion: [] }, list],
    ['DeleteStream', { EnforceConsumerDeletion: {} }, map],
    ['PutRecord', { Data: true }, `${boolean} can not be converted to a Blob`],
    ['PutRecord', { Data: 1.5 }, `${number} can not be converted to a Blob`],
    ['PutRecord', { Data: [] }, list],
    ['PutRecord', { Data: {} }, map],
    blob('abc', 'Base64 encoded length is expected a multiple of 4 bytes but found: 3'),
    blob('=======', 'Base64 encoded length is expected a multiple of 4 bytes but found: 7'),
    blob('ab c', "Invalid Base64 character: ' '"),
    blob('ab_c', "Invalid Base64 character: '_'"),
    blob('a-bc', "Invalid Base64 character: '-'"),
    blob('YQ=a', "Invalid Base64 character: '='"),
    blob('YQ==YQ==', "Invalid Base64 character: '='"),
    blob('YQé=', "Invalid Base64 character: 'é'"),
    blob('YR==', 'Invalid last non-pad Base64 character dectected'),
    blob('YWJ=', 'Invalid last non-pad Base64 character dectected'),
    blob('====', 'Invalid last non-pad Base64 character dectected'),
    ['GetShardIterator', { Timestamp: 'now' }, `${string} can not be converted to milliseconds since epoch`],
    ['GetShardIterator', { Timestamp: true }, `${boolean} can not be converted to milliseconds since epoch`],
    ['GetShardIterator', { Timestamp: [] }, list],
    ['GetShardIterator', { Timestamp: {} }, map],
    ['PutRecords', { Records: 'x' }, 'Expected list or null'],
    ['PutRecords', { Records: 1 }, 'Expected list or null'],
    ['PutRecords', { Records: true }, 'Expected list or null'],
    ['PutRecords', { Records: {} }, map],
    ['PutRecords', { Records: ['x'] }, 'Expected null'],
    ['PutRecords', { Records: [1] }, 'Expected null'],
    ['PutRecords', { Records: [[]] }, list],
    ['PutRecords', { Records: [{ PartitionKey: 1 }] }, `${number} can not be converted to an String`],
    ['ListShards', { ShardFilter: 'x' }, 'Expected null'],
    ['ListShards', { ShardFilter: 1 }, 'Expected null'],
    ['ListShards', { ShardFilter: true }, 'Expected null'],
    ['ListShards', { ShardFilter: [] }, list],
    ['ListShards', { ShardFilter: { Type: 1 } }, `${number} can not be converted to an String`],
    ['AddTagsToStream', { Tags: 'x' }, 'Expected map or null'],
    ['AddTagsToStream', { Tags: 1 }, 'Expected map or null'],
    ['AddTagsToStream', { Tags: true }, 'Expected map or null'],
    ['AddTagsToStream', { Tags: [] }, list],
    ['AddTagsToStream', { Tags: { a: 1 } }, `${number} can not be converted to an String`],
    ['AddTagsToStream', { Tags: { a: true } }, `${boolean} can not be converted to an String`],
    ['AddTagsToStream', { Tags: { a: [] } }, list],
    ['AddTagsToStream', { Tags: { a: {} } }, map],
    ['RemoveTagsFromStream', { TagKeys: 'x' }, 'Expected list or null'],
    ['RemoveTagsFromStream', { TagKeys: {} }, map],
    ['RemoveTagsFromStream', { TagKeys: [1] }, `${number} can not be converted to an String`],
    ['RemoveTagsFromStream', { TagKeys: [[]] }, list],
    ['RemoveTagsFromStream', { TagKeys: [{}] }, map],
  ]
  for (const wire of wires)
    for (const [operation, input, message] of cases)
      test(`${operation} ${JSON.stringify(input)} over ${wire.name}`, async () => {
        const answer = await call(engine.endpoint, operation, input, wire)
        assert.deepEqual([answer.status, answer.body], [400, { __type: 'SerializationException', Message: message }])
      })

  test('is told before a broken constraint, also of an earlier member', async () => {
    const answer = await call(engine.endpoint, 'PutRecord', { StreamName: '', Data: 'a' })
    assert.equal(answer.body.__type, 'SerializationException')
  })

  test('is not what a fraction or a large number is: those are floored and clamped', async () => {
    const floored = await call(engine.endpoint, 'ListStreams', { Limit: 1.9 })
    assert.equal(floored.status, 200)
    const clamped = await call(engine.endpoint, 'ListStreams', { Limit: 1e300 })
    assert.equal(
      clamped.body.message,
      "1 validation error detected: Value '2147483647' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000",
    )
  })

  test('is not found behind names that every object has', async () => {
    const headers = {
      ...signed,
      'x-amz-target': 'Kinesis_20131202.PutRecord',
      'content-type': 'application/x-amz-json-1.1',
    }
    const body = '{"__proto__":{"StreamName":"checked","PartitionKey":"k"},"constructor":1,"Data":""}'
    const answer = await send(engine.endpoint, { headers, body })
    assert.match(answer.body.message, /^2 validation errors detected: /)
    assert.match(answer.body.message, /Value null at 'streamName'/)
  })
})

describe('2.2 a broken constraint', () => {
  const nul = (path: string) => `Value null at '${path}' failed to satisfy constraint: Member must not be null`
  const broken = (value: string, path: string, constraint: string) =>
    `Value '${value}' at '${path}' failed to satisfy constraint: ${constraint}`
  const namePattern = 'Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+'
  const numberPattern = 'Member must satisfy regular expression pattern: 0|([1-9]\\d{0,128})'
  const hashPattern = 'Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38})'
  const entry = 'com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@c965e310'
  const atLeast = (length: number) => `Member must have length greater than or equal to ${length}`
  const atMost = (length: number) => `Member must have length less than or equal to ${length}`
  const long = 'a'.repeat(129)
  const filters = 'AFTER_SHARD_ID, AT_TRIM_HORIZON, FROM_TRIM_HORIZON, AT_LATEST, AT_TIMESTAMP, FROM_TIMESTAMP'
  const types = 'AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON'
  const arnPattern = 'Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+'
  const ok = { StreamName: 'checked' }

  const cases: [operation: string, input: object, ...violations: string[]][] = [
    ['CreateStream', {}, nul('shardCount'), nul('streamName')],
    [
      'CreateStream',
      { StreamName: '', ShardCount: 0 },
      broken('', 'streamName', namePattern),
      broken('', 'streamName', atLeast(1)),
      broken('0', 'shardCount', 'Member must have value greater than or equal to 1'),
    ],
    [
      'CreateStream',
      { StreamName: long, ShardCount: 100001 },
      broken(long, 'streamName', atMost(128)),
      broken('100001', 'shardCount', 'Member must have value less than or equal to 100000'),
    ],
    ['CreateStream', { ...ok, StreamModeDetails: {} }, nul('shardCount'), nul('streamModeDetails.streamMode')],
    [
      'CreateStream',
      { ...ok, StreamModeDetails: { StreamMode: 'X' }, ShardCount: 1 },
      broken('X', 'streamModeDetails.streamMode', 'Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]'),
    ],
    ['DeleteStream', {}, nul('streamName')],
    ['DeleteStream', { StreamName: 'a b' }, broken('a b', 'streamName', namePattern)],
    [
      'DescribeStream',
      { ...ok, Limit: 0, ExclusiveStartShardId: 'ä' },
      broken('0', 'limit', 'Member must have value greater than or equal to 1'),
      broken('ä', 'exclusiveStartShardId', namePattern),
    ],
    ['DescribeStreamSummary', { StreamARN: 'x' }, broken('x', 'streamARN', arnPattern)],
    [
      'ListStreams',
      { Limit: 10001, NextToken: '' },
      broken('10001', 'limit', 'Member must have value less than or equal to 10000'),
      broken('', 'nextToken', atLeast(1)),
    ],
    [
      'ListShards',
      { ...ok, MaxResults: 0, ShardFilter: { Type: 'ALL' } },
      broken('0', 'maxResults', 'Member must have value greater than or equal to 1'),
      broken('ALL', 'shardFilter.type', `Member must satisfy enum value set: [${filters}]`),
    ],
    ['PutRecord', {}, nul('partitionKey'), nul('data'), nul('streamName')],
    ['PutRecord', { ...ok, PartitionKey: '', Data: '' }, broken('', 'partitionKey', atLeast(1))],
    [
      'PutRecord',
      { ...ok, PartitionKey: 'k'.repeat(257), Data: '' },
      broken('k'.repeat(257), 'partitionKey', atMost(256)),
    ],
    [
      'PutRecord',
      { ...ok, PartitionKey: 'k', Data: '', ExplicitHashKey: '00', SequenceNumberForOrdering: '-1' },
      broken('-1', 'sequenceNumberForOrdering', numberPattern),
      broken('00', 'explicitHashKey', hashPattern),
    ],
    [
      'PutRecord',
      { ...ok, PartitionKey: 'k', Data: Buffer.alloc(10485761) },
      broken('java.nio.HeapByteBuffer[pos=0 lim=10485761 cap=10485761]', 'data', atMost(10485760)),
    ],
    ['PutRecords', { ...ok, Records: [] }, broken('[]', 'records', atLeast(1))],
    [
      'PutRecords',
      { ...ok, Records: [{}, { PartitionKey: '', Data: '', ExplicitHashKey: '' }] },
      nul('records.1.member.partitionKey'),
      nul('records.1.member.data'),
      broken('', 'records.2.member.partitionKey', atLeast(1)),
      broken('', 'records.2.member.explicitHashKey', hashPattern),
    ],
    ['PutRecords', { ...ok, Records: [null] }, nul('records.1.member')],
    [
      'PutRecords',
      { ...ok, Records: Array(501).fill({ PartitionKey: 'k', Data: '' }) },
      broken(`[${Array(501).fill(entry).join(', ')}]`, 'records', atMost(500)),
    ],
    ['GetShardIterator', { ...ok }, nul('shardId'), nul('shardIteratorType')],
    [
      'GetShardIterator',
      { ...ok, ShardId: 's', ShardIteratorType: 'x', StartingSequenceNumber: '' },
      broken('x', 'shardIteratorType', `Member must satisfy enum value set: [${types}]`),
      broken('', 'startingSequenceNumber', numberPattern),
    ],
    ['GetRecords', {}, nul('shardIterator')],
    [
      'GetRecords',
      { ShardIterator: 'a'.repeat(513), Limit: 10001 },
      broken('a'.repeat(513), 'shardIterator', atMost(512)),
      broken('10001', 'limit', 'Member must have value less than or equal to 10000'),
    ],
    ['SplitShard', {}, nul('newStartingHashKey'), nul('streamName'), nul('shardToSplit')],
    [
      'SplitShard',
      { ...ok, ShardToSplit: long, NewStartingHashKey: '1'.repeat(40) },
      broken('1'.repeat(40), 'newStartingHashKey', hashPattern),
      broken(long, 'shardToSplit', atMost(128)),
    ],
    ['MergeShards', {}, nul('shardToMerge'), nul('streamName'), nul('adjacentShardToMerge')],
    [
      'UpdateShardCount',
      { ...ok, TargetShardCount: 0, ScalingType: 'X' },
      broken('0', 'targetShardCount', 'Member must have value greater than or equal to 1'),
      broken('X', 'scalingType', 'Member must satisfy enum value set: [UNIFORM_SCALING]'),
    ],
  ]
  for (const wire of wires)
    for (const [operation, input, ...violations] of cases)
      test(`${operation} ${JSON.stringify(input).slice(0, 80)} over ${wire.name}`, async () => {
        const answer = await call(engine.endpoint, operation, input, wire)
        assert.deepEqual([answer.status, answer.body.__type], [400, 'ValidationException'])
        const [, count, noun, told = ''] =
          /^(\d+) validation (errors?) detected: (.*)$/s.exec(answer.body.message) ?? []
        assert.deepEqual([count, noun], [String(violations.length), violations.length === 1 ? 'error' : 'errors'])
        const rest = violations.reduce((text, violation) => {
          assert.ok(text.includes(violation), `${violation} in ${text}`)
          return text.replace(violation, '')
        }, told)
        assert.equal(rest, '; '.repeat(violations.length - 1))
      })

  test('beyond the tenth is not listed', async () => {
    const answer = await call(engine.endpoint, 'PutRecords', { ...ok, Records: Array(20).fill({}) })
    assert.match(answer.body.message, /^10 validation errors detected: /)
    assert.equal(answer.body.message.split('; ').length, 10)
  })

  test('is not a key of 256 characters outside the basic plane', async () => {
    const put = (PartitionKey: string) => call(engine.endpoint, 'PutRecord', { ...ok, PartitionKey, Data: '' })
    assert.equal((await put('😀'.repeat(256))).status, 200)
    assert.equal((await put('😀'.repeat(257))).status, 400)
  })
})

describe('2.2 the limits of kinesalite', () => {
  test('are in force when asked for', async () => {
    await using legacy = await startTestEngine({ legacyLimits: true, streams: [{ name: 's', shardCount: 1 }] })
    const put = { StreamName: 's', PartitionKey: 'k', Data: Buffer.alloc(1048577) }
    assert.match((await call(legacy.endpoint, 'PutRecord', put)).body.message, /less than or equal to 1048576$/)
    const records = Array(6).fill({ PartitionKey: 'k', Data: Buffer.alloc(1024 * 1024 - 1) })
    const { message } = (await call(legacy.endpoint, 'PutRecords', { StreamName: 's', Records: records })).body
    assert.equal(message, 'Records size exceeds 5 MB limit')
    const create = { StreamName: 't', StreamModeDetails: { StreamMode: 'ON_DEMAND' } }
    assert.match((await call(legacy.endpoint, 'CreateStream', create)).body.message, /at 'shardCount'/)
  })
})

describe('2.3 the stream', () => {
  const arn = (name: string, region = 'us-east-1', account = '000000000000') =>
    `arn:aws:kinesis:${region}:${account}:stream/${name}`
  const describeBy = (input: object) => call(engine.endpoint, 'DescribeStreamSummary', input)

  test('may be named by its name, its ARN or both', async () => {
    for (const input of [
      { StreamName: 'checked' },
      { StreamARN: arn('checked') },
      { StreamName: 'checked', StreamARN: arn('checked') },
      { StreamName: 'checked', StreamId: 'whatever' },
    ]) {
      const { body } = await describeBy(input)
      assert.equal(body.StreamDescriptionSummary.StreamARN, arn('checked'))
      assert.ok(!('StreamId' in body.StreamDescriptionSummary), 'a client would go elsewhere with it')
    }
  })

  test('must be one and the same', async () => {
    const { body } = await describeBy({ StreamName: 'other', StreamARN: arn('checked') })
    assert.deepEqual(body, {
      __type: 'InvalidArgumentException',
      message: 'StreamName and StreamARN do not identify the same stream.',
    })
  })

  test('of another account or region is not here', async () => {
    for (const other of [arn('checked', 'eu-west-1'), arn('checked', 'us-east-1', '123456789012')])
      assert.equal((await describeBy({ StreamARN: other })).body.__type, 'ResourceNotFoundException')
  })

  test('has the account and region that the engine was given', async () => {
    await using other = await startTestEngine({
      accountId: '123456789012',
      region: 'eu-north-1',
      streams: [{ name: 's', shardCount: 1 }],
    })
    const { body } = await call(other.endpoint, 'DescribeStreamSummary', { StreamName: 's' })
    assert.equal(body.StreamDescriptionSummary.StreamARN, arn('s', 'eu-north-1', '123456789012'))
    const missing = await call(other.endpoint, 'DescribeStreamSummary', { StreamName: 'x' })
    assert.equal(missing.body.message, 'Stream x under account 123456789012 not found.')
  })
})
