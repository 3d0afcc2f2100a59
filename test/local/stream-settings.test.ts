import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LocalEngine, startLocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { overEachWire } from './over-each-wire.ts'
import { ask, call, jsonWire, type Wire } from './wire-client.ts'

/** Section 3.2 of the specification: what can be set on a stream that is there. */
const S = { StreamName: 's' }
const StreamARN = 'arn:aws:kinesis:us-east-1:000000000000:stream/s'
const streams = [{ name: 's', shardCount: 1 }]
const onDemand = { StreamModeDetails: { StreamMode: 'ON_DEMAND' } }
const provisioned = { StreamModeDetails: { StreamMode: 'PROVISIONED' } }

async function errorOf(engine: LocalEngine, operation: string, input: object, wire: Wire = jsonWire): Promise<string> {
  const { status, body } = await call(engine.endpoint, operation, input, wire)
  return status === 200 ? 'fine' : `${body.__type}: ${body.message}`
}

async function summaryOf(engine: LocalEngine, wire: Wire = jsonWire) {
  return (await ask(engine.endpoint, 'DescribeStreamSummary', S, wire)).StreamDescriptionSummary
}

const updates: [operation: string, input: object][] = [
  ['StartStreamEncryption', { ...S, EncryptionType: 'KMS', KeyId: 'alias/k' }],
  ['StopStreamEncryption', { ...S, EncryptionType: 'KMS', KeyId: 'alias/k' }],
  ['UpdateStreamMode', { StreamARN, ...onDemand }],
  ['UpdateMaxRecordSize', { StreamARN, MaxRecordSizeInKiB: 2048 }],
  ['UpdateStreamWarmThroughput', { ...S, WarmThroughputMiBps: 7 }],
]

overEachWire('3.1 settings that take their time', (test) => {
  for (const [operation, input] of updates)
    test(`${operation} makes the stream UPDATING, and needs it ACTIVE`, async () => {
      const clock = new ManualClock()
      await using engine = await startLocalEngine({ clock })
      const expect = async (status: string, error: string) => {
        assert.equal((await summaryOf(engine)).StreamStatus, status)
        assert.equal(await errorOf(engine, operation, input), error)
      }
      const notActive = (status: string) =>
        `ResourceInUseException: Stream s under account 000000000000 not ACTIVE, instead in state ${status}`
      await ask(engine.endpoint, 'CreateStream', { ...S, ...onDemand })
      await expect('CREATING', notActive('CREATING'))
      await clock.advance(500)
      // The mode that the stream has is right at once.
      if (operation === 'UpdateStreamMode') Object.assign(input, provisioned)
      await expect('ACTIVE', 'fine')
      await expect('UPDATING', notActive('UPDATING'))
      assert.equal(await errorOf(engine, 'PutRecord', { ...S, PartitionKey: 'k', Data: 'aGk=' }), 'fine')
      await clock.advance(499)
      assert.equal((await summaryOf(engine)).StreamStatus, 'UPDATING')
      await clock.advance(1)
      assert.equal((await summaryOf(engine)).StreamStatus, 'ACTIVE')
      await ask(engine.endpoint, 'DeleteStream', S)
      await expect('DELETING', notActive('DELETING'))
      await clock.advance(500)
      assert.equal(
        await errorOf(engine, operation, input),
        'ResourceNotFoundException: Stream s under account 000000000000 not found.',
      )
    })

  test('go on after a restart', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'triton-settings-'))
    try {
      const clock = new ManualClock()
      await using first = await startTestEngine({ clock, dataDir, streams, updateStreamMs: 1_000 })
      const key = { ...S, EncryptionType: 'KMS', KeyId: 'k' }
      await ask(first.endpoint, 'StartStreamEncryption', key)
      await clock.advance(1_000)
      await ask(first.endpoint, 'StopStreamEncryption', key)
      await first.close()
      await using second = await startTestEngine({ clock, dataDir })
      assert.deepEqual([(await summaryOf(second)).StreamStatus, (await summaryOf(second)).KeyId], ['UPDATING', 'k'])
      await clock.advance(1_000)
      const { StreamStatus, EncryptionType, KeyId } = await summaryOf(second)
      assert.deepEqual([StreamStatus, EncryptionType, KeyId], ['ACTIVE', 'NONE', undefined])
    } finally {
      rmSync(dataDir, { recursive: true, force: true })
    }
  })
})

overEachWire('3.2 EnableEnhancedMonitoring and DisableEnhancedMonitoring', (test, wire) => {
  const all = [
    'IncomingBytes',
    'IncomingRecords',
    'OutgoingBytes',
    'OutgoingRecords',
    'WriteProvisionedThroughputExceeded',
    'ReadProvisionedThroughputExceeded',
    'IteratorAgeMilliseconds',
  ]

  test(`tell what was on and what is on`, async () => {
    await using engine = await startTestEngine({ streams })
    const change = async (operation: string, ShardLevelMetrics: string[]) => {
      const answer = await ask(engine.endpoint, operation, { ...S, ShardLevelMetrics }, wire)
      assert.deepEqual([answer.StreamName, answer.StreamARN], ['s', StreamARN])
      return [answer.CurrentShardLevelMetrics, answer.DesiredShardLevelMetrics]
    }
    const [bytes, , , outgoing] = all
    assert.deepEqual(await change('EnableEnhancedMonitoring', ['OutgoingRecords', 'IncomingBytes']), [
      [],
      [bytes, outgoing],
    ])
    assert.deepEqual(await change('EnableEnhancedMonitoring', ['ALL']), [[bytes, outgoing], all])
    assert.deepEqual((await summaryOf(engine, wire)).EnhancedMonitoring, [{ ShardLevelMetrics: all }])
    assert.deepEqual(await change('DisableEnhancedMonitoring', all.slice(2)), [all, all.slice(0, 2)])
    const { StreamDescription } = await ask(engine.endpoint, 'DescribeStream', S, wire)
    assert.deepEqual(StreamDescription.EnhancedMonitoring, [{ ShardLevelMetrics: all.slice(0, 2) }])
    assert.deepEqual(await change('DisableEnhancedMonitoring', ['ALL']), [all.slice(0, 2), []])
  })

  test('know seven metrics', async () => {
    await using engine = await startTestEngine({ streams })
    const enable = (ShardLevelMetrics?: string[]) =>
      errorOf(engine, 'EnableEnhancedMonitoring', { ...S, ShardLevelMetrics })
    const start = 'ValidationException: 1 validation error detected: Value'
    assert.equal(
      await enable(),
      `${start} null at 'shardLevelMetrics' failed to satisfy constraint: Member must not be null`,
    )
    assert.equal(
      await enable([]),
      `${start} '[]' at 'shardLevelMetrics' failed to satisfy constraint: Member must have length greater than or equal to 1`,
    )
    assert.equal(
      await enable(Array.from({ length: 8 }, () => 'ALL')),
      `${start} '[ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL]' at 'shardLevelMetrics' failed to satisfy constraint: Member must have length less than or equal to 7`,
    )
    assert.equal(
      await enable(['ALL', 'Heat']),
      `${start} '[ALL, Heat]' at 'shardLevelMetrics' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [${all.join(', ')}, ALL]]`,
    )
  })
})

overEachWire('3.2 StartStreamEncryption and StopStreamEncryption', (test, wire) => {
  test(`say KMS on the stream, on answers and on records while it lasts`, async () => {
    await using engine = await startTestEngine({ streams })
    const { endpoint } = engine
    const kms = { ...S, EncryptionType: 'KMS', KeyId: 'alias/key' }
    const Data = Buffer.from('hi')
    const seen = async () => {
      const one = await ask(endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data }, wire)
      const plain = {
        ...S,
        Records: [
          { PartitionKey: 'ключ', Data },
          { PartitionKey: 'k', Data },
        ],
      }
      const two = await ask(endpoint, 'PutRecords', plain, wire)
      const short = await ask(endpoint, 'PutRecords', { ...S, Records: plain.Records.slice(1) }, wire)
      const start = {
        ...S,
        ShardId: '0',
        ShardIteratorType: 'AT_SEQUENCE_NUMBER',
        StartingSequenceNumber: one.SequenceNumber,
      }
      const { ShardIterator } = await ask(endpoint, 'GetShardIterator', start, wire)
      const { Records } = await ask(endpoint, 'GetRecords', { ShardIterator }, wire)
      assert.deepEqual(
        Records.map(({ PartitionKey, SequenceNumber }) => [PartitionKey, SequenceNumber]),
        [
          ['k', one.SequenceNumber],
          ['ключ', two.Records[0]?.SequenceNumber],
          ['k', two.Records[1]?.SequenceNumber],
          ['k', short.Records[0]?.SequenceNumber],
        ],
      )
      return [one, two, short, ...Records].map((answer) => answer.EncryptionType)
    }
    const seven = (value: string | undefined) => Array.from({ length: 7 }, () => value)
    assert.deepEqual(await seen(), seven(undefined))
    await ask(endpoint, 'StartStreamEncryption', kms, wire)
    const encrypted = await summaryOf(engine, wire)
    assert.deepEqual([encrypted.EncryptionType, encrypted.KeyId], ['KMS', 'alias/key'])
    const { StreamDescription } = await ask(endpoint, 'DescribeStream', S, wire)
    assert.deepEqual([StreamDescription.EncryptionType, StreamDescription.KeyId], ['KMS', 'alias/key'])
    assert.deepEqual(await seen(), seven('KMS'))
    engine.setFaults([{ action: 'partial-failure', share: 0 }])
    const judged = await ask(endpoint, 'PutRecords', { ...S, Records: [{ PartitionKey: 'k', Data }] }, wire)
    assert.equal(judged.EncryptionType, 'KMS')
    engine.setFaults([])
    await ask(endpoint, 'StopStreamEncryption', kms, wire)
    const plain = await summaryOf(engine, wire)
    assert.deepEqual([plain.EncryptionType, plain.KeyId], ['NONE', undefined])
    assert.deepEqual(await seen(), seven(undefined))
  })

  test('know no encryption but KMS', async () => {
    await using engine = await startTestEngine({ streams })
    for (const operation of ['StartStreamEncryption', 'StopStreamEncryption']) {
      const error = await errorOf(engine, operation, { ...S, EncryptionType: 'NONE', KeyId: 'k' })
      assert.match(error, /^InvalidArgumentException: /)
      assert.match(
        await errorOf(engine, operation, { ...S, EncryptionType: 'AES', KeyId: '' }),
        /^ValidationException: 2 validation errors detected: Value 'AES' at 'encryptionType' failed to satisfy constraint: Member must satisfy enum value set: \[NONE, KMS\]; Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1$/,
      )
    }
  })
})

overEachWire('3.2 UpdateStreamMode', (test) => {
  test('switches the mode and keeps the shards; the same mode again is no change', async () => {
    await using engine = await startTestEngine({ streams })
    const { endpoint } = engine
    const open = async () => (await summaryOf(engine)).OpenShardCount
    await ask(endpoint, 'UpdateStreamMode', { StreamARN, ...onDemand, WarmThroughputMiBps: 9 })
    const summary = await summaryOf(engine)
    assert.deepEqual(
      [summary.StreamModeDetails.StreamMode, await open(), summary.WarmThroughput],
      ['ON_DEMAND', 1, { TargetMiBps: 9, CurrentMiBps: 9 }],
    )
    await ask(endpoint, 'UpdateStreamRecordDistributionStrategy', { StreamARN, RecordDistributionStrategy: 'AUTO' })
    await ask(endpoint, 'UpdateStreamMode', { StreamARN, ...onDemand })
    assert.match(
      await errorOf(engine, 'UpdateShardCount', { ...S, TargetShardCount: 2, ScalingType: 'UNIFORM_SCALING' }),
      /On-Demand/,
    )
    await ask(endpoint, 'UpdateStreamMode', { StreamARN, ...provisioned })
    const back = await summaryOf(engine)
    assert.deepEqual(
      [back.StreamModeDetails.StreamMode, back.WarmThroughput, back.RecordDistributionStrategy, await open()],
      ['PROVISIONED', undefined, 'USER_PARTITION_KEY', 1],
    )
    assert.match(
      await errorOf(engine, 'UpdateStreamMode', { StreamARN, ...provisioned, WarmThroughputMiBps: 1 }),
      /^InvalidArgumentException: /,
    )
    await ask(endpoint, 'UpdateShardCount', { ...S, TargetShardCount: 2, ScalingType: 'UNIFORM_SCALING' })
    assert.equal(await open(), 2)
  })

  test('makes no more than fifty on-demand streams, and neither does CreateStream', async () => {
    await using engine = await startTestEngine({ streams })
    for (let at = 0; at < 50; at++) await ask(engine.endpoint, 'CreateStream', { StreamName: `d${at}`, ...onDemand })
    assert.match(
      await errorOf(engine, 'CreateStream', { StreamName: 'more', ...onDemand }),
      /^LimitExceededException: /,
    )
    assert.match(await errorOf(engine, 'UpdateStreamMode', { StreamARN, ...onDemand }), /^LimitExceededException: /)
    assert.equal(await errorOf(engine, 'CreateStream', { StreamName: 'more', ShardCount: 1 }), 'fine')
  })
})

overEachWire('3.2 UpdateMaxRecordSize', (test, wire) => {
  const tooLarge = (path: string, bytes: number, limit: number) =>
    `ValidationException: 1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=${bytes} cap=${bytes}]' at '${path}' failed to satisfy constraint: Member must have length less than or equal to ${limit}`

  test(`lets larger records in, key counted`, async () => {
    await using engine = await startTestEngine({ streams })
    const put = (bytes: number) =>
      errorOf(engine, 'PutRecord', { ...S, PartitionKey: 'key', Data: Buffer.alloc(bytes) }, wire)
    const putMany = (bytes: number) =>
      errorOf(engine, 'PutRecords', { ...S, Records: [{ PartitionKey: 'key', Data: Buffer.alloc(bytes) }] }, wire)
    const mib = 1024 * 1024
    assert.equal(await put(mib - 2), tooLarge('data', mib - 2, mib))
    await ask(engine.endpoint, 'UpdateMaxRecordSize', { StreamARN, MaxRecordSizeInKiB: 2048 }, wire)
    assert.equal((await summaryOf(engine, wire)).MaxRecordSizeInKiB, 2048)
    for (const [way, path] of [
      [put, 'data'],
      [putMany, 'records.1.member.data'],
    ] as const) {
      assert.equal(await way(2 * mib - 3), 'fine')
      assert.equal(await way(2 * mib - 2), tooLarge(path, 2 * mib - 2, 2 * mib))
    }
    const { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', {
      ...S,
      ShardId: '0',
      ShardIteratorType: 'TRIM_HORIZON',
    })
    const { Records } = await ask(engine.endpoint, 'GetRecords', { ShardIterator }, wire)
    assert.equal(Records.length, 2)
  })

  test('takes 1 to 10 MiB, also when the stream is created', async () => {
    await using engine = await startTestEngine()
    const range = (value: number, constraint: string) =>
      `ValidationException: 1 validation error detected: Value '${value}' at 'maxRecordSizeInKiB' failed to satisfy constraint: Member must have value ${constraint}`
    const create = (MaxRecordSizeInKiB: number) =>
      errorOf(engine, 'CreateStream', { ...S, ShardCount: 1, MaxRecordSizeInKiB })
    assert.equal(await create(1023), range(1023, 'greater than or equal to 1024'))
    assert.equal(await create(10_241), range(10_241, 'less than or equal to 10240'))
    assert.equal(await create(10_240), 'fine')
    const Data = Buffer.alloc(10 * 1024 * 1024 - 1)
    assert.equal(await errorOf(engine, 'PutRecord', { ...S, PartitionKey: 'k', Data }), 'fine')
    const update = (MaxRecordSizeInKiB: number) =>
      errorOf(engine, 'UpdateMaxRecordSize', { StreamARN, MaxRecordSizeInKiB })
    assert.equal(await update(0), range(0, 'greater than or equal to 1024'))
    assert.equal(await update(1024), 'fine')
    assert.match(await errorOf(engine, 'PutRecord', { ...S, PartitionKey: 'k', Data }), /^ValidationException: /)
    assert.match(
      await errorOf(engine, 'UpdateMaxRecordSize', { ...S, MaxRecordSizeInKiB: 1024 }),
      /null at 'streamARN'/,
    )
  })
})

overEachWire('3.2 what only on-demand streams have', (test) => {
  test('UpdateStreamWarmThroughput keeps what was asked for', async () => {
    const clock = new ManualClock()
    await using engine = await startTestEngine({ clock, updateStreamMs: 100 })
    await ask(engine.endpoint, 'CreateStream', { ...S, ...onDemand, WarmThroughputMiBps: 5 })
    assert.deepEqual((await summaryOf(engine)).WarmThroughput, { TargetMiBps: 5, CurrentMiBps: 5 })
    const answer = await ask(engine.endpoint, 'UpdateStreamWarmThroughput', { ...S, WarmThroughputMiBps: 20 })
    assert.deepEqual(answer, {
      StreamName: 's',
      StreamARN,
      WarmThroughput: { TargetMiBps: 20, CurrentMiBps: 5 },
    })
    await clock.advance(100)
    assert.deepEqual((await summaryOf(engine)).WarmThroughput, { TargetMiBps: 20, CurrentMiBps: 20 })
    assert.match(
      await errorOf(engine, 'UpdateStreamWarmThroughput', { ...S, WarmThroughputMiBps: -1 }),
      /Value '-1' at 'warmThroughputMiBps' failed to satisfy constraint: Member must have value greater than or equal to 0$/,
    )
  })

  test('is refused to provisioned ones', async () => {
    await using engine = await startTestEngine({ streams })
    const warm = 'InvalidArgumentException: WarmThroughputMiBps is only supported for streams in On-Demand mode.'
    const auto =
      'InvalidArgumentException: RecordDistributionStrategy AUTO is only supported for streams in On-Demand mode.'
    const t = { StreamName: 't', ShardCount: 1 }
    for (const [operation, input, error] of [
      ['CreateStream', { ...t, WarmThroughputMiBps: 1 }, warm],
      ['CreateStream', { ...t, RecordDistributionStrategy: 'AUTO' }, auto],
      ['UpdateStreamWarmThroughput', { ...S, WarmThroughputMiBps: 1 }, warm],
      ['UpdateStreamRecordDistributionStrategy', { StreamARN, RecordDistributionStrategy: 'AUTO' }, auto],
      [
        'UpdateStreamRecordDistributionStrategy',
        { StreamARN, RecordDistributionStrategy: 'USER_PARTITION_KEY' },
        'fine',
      ],
      ['CreateStream', { ...t, RecordDistributionStrategy: 'USER_PARTITION_KEY' }, 'fine'],
    ] as const)
      assert.equal(await errorOf(engine, operation, input), error, `${operation} ${JSON.stringify(input)}`)
  })
})
