import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import * as sdk from '@aws-sdk/client-kinesis'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { overEachWire } from './over-each-wire.ts'
import { call } from './wire-client.ts'

/**
 * Section 2.2 of the specification against the service model that the AWS SDK ships: every operation, every member of
 * its input, every constraint on the member, each with its exact message.
 */
let engine: LocalEngine
before(async () => {
  engine = await startTestEngine({ streams: [{ name: 's', shardCount: 1 }] })
})
after(() => engine.close())

const arn = 'arn:aws:kinesis:us-east-1:000000000000:stream/s'
const atLeast = (length: number) => `Member must have length greater than or equal to ${length}`
const atMost = (length: number) => `Member must have length less than or equal to ${length}`
const matches = (pattern: string) => `Member must satisfy regular expression pattern: ${pattern}`
const isOneOf = (...values: string[]) => `Member must satisfy enum value set: [${values.join(', ')}]`
const between = (min: number, max: number) =>
  `[Member must have length less than or equal to ${max}, Member must have length greater than or equal to ${min}]`

interface Rule {
  /** A value that breaks nothing. */
  good: unknown
  /** Values that break something: how each prints, and what it breaks, at which member of it. */
  bad?: readonly (readonly [value: unknown, printed: string, constraint: string, at?: string])[]
}

const textOf = (good: string, most: number, pattern?: string, wrong?: string): Rule => ({
  good,
  bad: [
    ['', '', atLeast(1)],
    ['a'.repeat(most + 1), 'a'.repeat(most + 1), atMost(most)],
    ...(pattern === undefined
      ? []
      : ([
          [wrong, String(wrong), matches(pattern)],
          ['', '', matches(pattern)],
        ] as const)),
  ],
})
const patternOf = (good: string, pattern: string, ...wrong: string[]): Rule => ({
  good,
  bad: wrong.map((value) => [value, value, matches(pattern)] as const),
})
const numberOf = (good: number, min: number, max?: number): Rule => ({
  good,
  bad: [
    [min - 1, String(min - 1), `Member must have value greater than or equal to ${min}`],
    ...(max === undefined
      ? []
      : ([[max + 1, String(max + 1), `Member must have value less than or equal to ${max}`]] as const)),
  ],
})
const choiceOf = (...values: string[]): Rule => ({
  good: values[0],
  bad: [['?', '?', isOneOf(...values)]],
})
const inside = (member: string, rule: Rule): Rule => ({
  good: { [member]: rule.good },
  bad: (rule.bad ?? []).map(
    ([value, printed, constraint]) => [{ [member]: value }, printed, constraint, member] as const,
  ),
})

const name = textOf('s', 128, '[a-zA-Z0-9_.-]+', 'a b')
const hashKey = patternOf('1', '0|([1-9]\\d{0,38})', '', '01', '-1', 'x', '1'.repeat(40))
const number = patternOf('1', '0|([1-9]\\d{0,128})', '', '01', '-1', 'x', '1'.repeat(130))
const page = numberOf(1, 1, 10_000)
const metrics = [
  'IncomingBytes',
  'IncomingRecords',
  'OutgoingBytes',
  'OutgoingRecords',
  'WriteProvisionedThroughputExceeded',
  'ReadProvisionedThroughputExceeded',
  'IteratorAgeMilliseconds',
  'ALL',
]
const positions = ['AFTER_SEQUENCE_NUMBER', 'LATEST', 'AT_TIMESTAMP', 'AT_SEQUENCE_NUMBER', 'TRIM_HORIZON']
const manyTags = Object.fromEntries(Array.from({ length: 201 }, (_, at) => [`t${at}`, 'v']))
const manyKeys = Array.from({ length: 51 }, (_, at) => `t${at}`)
const longKey = 'k'.repeat(129)
const longValue = 'v'.repeat(257)
const entryText = 'com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@c965e310'
const entry = { PartitionKey: 'k', Data: Buffer.of(1) }

/** What the specification says of every member, by its name; where one operation differs, by `Operation.Member`. */
const rules: Readonly<Record<string, Rule>> = {
  StreamName: name,
  ShardId: name,
  ExclusiveStartShardId: name,
  ExclusiveStartStreamName: name,
  ShardToSplit: name,
  ShardToMerge: name,
  AdjacentShardToMerge: name,
  ConsumerName: name,
  StreamARN: textOf(arn, 2048, 'arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+', 'arn:aws:kinesis:here'),
  ConsumerARN: textOf(
    `${arn}/consumer/c:1`,
    2048,
    '^(arn):aws.*:kinesis:.*:\\d{12}:.*stream\\/[a-zA-Z0-9_.-]+\\/consumer\\/[a-zA-Z0-9_.-]+:[0-9]+',
    `${arn}/consumer/c`,
  ),
  ResourceARN: textOf(arn, 2048, 'arn:aws.*:kinesis:.*:\\d{12}:.*(stream|channel)/\\S+', 'arn:aws:kinesis:here'),
  StreamId: { good: 'ignored' },
  DryRun: { good: false },
  EnforceConsumerDeletion: { good: false },
  ShardCount: numberOf(1, 1, 100_000),
  TargetShardCount: numberOf(1, 1, 100_000),
  Data: { good: Buffer.of(1) },
  PartitionKey: textOf('k', 256),
  ExplicitHashKey: hashKey,
  NewStartingHashKey: hashKey,
  StartingSequenceNumber: number,
  SequenceNumberForOrdering: number,
  ShardIterator: textOf('x', 512),
  Limit: page,
  MaxResults: page,
  'ListTagsForStream.Limit': numberOf(1, 1, 50),
  Records: {
    good: [entry],
    bad: [
      [[], '[]', atLeast(1)],
      [Array(501).fill(entry), `[${Array(501).fill(entryText).join(', ')}]`, atMost(500)],
      [[entry, { ...entry, PartitionKey: '' }], '', atLeast(1), '2.member.partitionKey'],
      [[{ ...entry, ExplicitHashKey: 'x' }], 'x', matches('0|([1-9]\\d{0,38})'), '1.member.explicitHashKey'],
    ],
  },
  Tags: {
    good: { a: 'b' },
    bad: [
      [{}, '{}', atLeast(1)],
      [
        manyTags,
        `{${Object.keys(manyTags)
          .map((key) => `${key}=v`)
          .join(', ')}}`,
        atMost(200),
      ],
      [{ [longKey]: '' }, `{${longKey}=}`, `Map keys must satisfy constraint: ${between(1, 128)}`],
      [{ '': '' }, '{=}', `Map keys must satisfy constraint: ${between(1, 128)}`],
      [{ a: longValue }, `{a=${longValue}}`, `Map value must satisfy constraint: ${between(0, 256)}`],
    ],
  },
  TagKeys: {
    good: ['a'],
    bad: [
      [[], '[]', atLeast(1)],
      [manyKeys, `[${manyKeys.join(', ')}]`, atMost(50)],
      [[''], '[]', `Member must satisfy constraint: ${between(1, 128)}`],
      [['a', longKey], `[a, ${longKey}]`, `Member must satisfy constraint: ${between(1, 128)}`],
    ],
  },
  ExclusiveStartTagKey: textOf('a', 128),
  NextToken: { good: 'x', bad: [['', '', atLeast(1)]] },
  Timestamp: { good: new Date(0) },
  StreamCreationTimestamp: { good: new Date(0) },
  RetentionPeriodHours: numberOf(24, 1),
  ShardLevelMetrics: {
    good: ['ALL'],
    bad: [
      [[], '[]', atLeast(1)],
      [metrics, `[${metrics.join(', ')}]`, atMost(7)],
      [['ALL', '?'], '[ALL, ?]', `Member must satisfy constraint: [${isOneOf(...metrics)}]`],
    ],
  },
  MaxRecordSizeInKiB: numberOf(1024, 1024, 10_240),
  WarmThroughputMiBps: numberOf(0, 0),
  KeyId: textOf('key', 2048),
  Policy: { good: '{}' },
  ShardIteratorType: choiceOf(...positions),
  StartingPosition: inside('Type', choiceOf(...positions)),
  ScalingType: choiceOf('UNIFORM_SCALING'),
  StreamModeDetails: inside('StreamMode', choiceOf('PROVISIONED', 'ON_DEMAND')),
  EncryptionType: choiceOf('NONE', 'KMS'),
  ShardFilter: inside(
    'Type',
    choiceOf('AFTER_SHARD_ID', 'AT_TRIM_HORIZON', 'FROM_TRIM_HORIZON', 'AT_LATEST', 'AT_TIMESTAMP', 'FROM_TIMESTAMP'),
  ),
  RecordDistributionStrategy: choiceOf('AUTO', 'USER_PARTITION_KEY'),
  MinimumThroughputBillingCommitment: inside('Status', choiceOf('ENABLED', 'DISABLED')),
}

/** Members that the engine needs though the model does not say so: the model knows of `StreamId` besides. */
const neededToo: Readonly<Record<string, readonly string[]>> = {
  CreateStream: ['ShardCount'],
  PutRecord: ['PartitionKey'],
  UpdateMaxRecordSize: ['StreamARN'],
}

interface OperationModel {
  name: string
  members: readonly string[]
  required: readonly string[]
}

/** The SDK's schemas: an operation is [9, namespace, name, traits, input, output], a structure [3, .., members, shapes, required]. */
const operationModels = Object.values(sdk as Readonly<Record<string, unknown>>)
  .filter(
    (
      schema,
    ): schema is [9, string, string, unknown, () => [3, string, string, unknown, string[], unknown[], number?]] =>
      Array.isArray(schema) && schema[0] === 9,
  )
  .map((schema): OperationModel => {
    const [, , , , members, , requiredCount = 0] = schema[4]()
    const given = members.slice(0, requiredCount)
    return { name: schema[2], members, required: [...given, ...(neededToo[schema[2]] ?? [])] }
  })
  .filter(({ name: operation }) => !operation.includes('Channel'))

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)

overEachWire('2.2 the service model', (test) => {
  test('has the operations and members that are checked here', () => {
    assert.equal(operationModels.length, 40)
    const known = new Set(operationModels.flatMap(({ members }) => members))
    for (const member of known) assert.ok(rules[member], member)
  })

  for (const { name: operation, members, required } of operationModels) {
    const ruleOf = (member: string) => rules[`${operation}.${member}`] ?? rules[member]
    const namesStream = members.includes('StreamName') && operation !== 'ListShards' && operation !== 'GetRecords'
    const good = Object.fromEntries(
      [...required, ...(namesStream ? ['StreamName'] : [])].map((member) => [member, ruleOf(member)?.good]),
    )

    test(`${operation} knows all its members, and what each must be`, async () => {
      for (const member of members) {
        const rule = ruleOf(member)
        for (const [value, printed, constraint, inner] of rule?.bad ?? []) {
          const answer = await call(engine.endpoint, operation, { ...good, [member]: value })
          const path = [lowerFirst(member), ...(inner === undefined ? [] : [lowerFirst(inner)])].join('.')
          const expected = `Value '${printed}' at '${path}' failed to satisfy constraint: ${constraint}`
          assert.deepEqual([answer.status, answer.body.__type], [400, 'ValidationException'], `${member} ${printed}`)
          assert.match(answer.body.message, /^\d+ validation errors? detected: /)
          assert.ok(answer.body.message.includes(expected), `${answer.body.message}\nlacks\n${expected}`)
        }
      }
    })

    test(`${operation} needs what it needs`, async () => {
      for (const member of Object.keys(good)) {
        const { [member]: _, ...rest } = good
        const answer = await call(engine.endpoint, operation, rest)
        const missing = `1 validation error detected: Value null at '${lowerFirst(member)}' failed to satisfy constraint: Member must not be null`
        assert.deepEqual(answer.body, { __type: 'ValidationException', message: missing })
        assert.equal(answer.status, 400)
      }
    })
  }
})
