import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as sdk from '@aws-sdk/client-kinesis'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'

/** The AWS SDK for JavaScript, used plainly: everything that can be set on a stream and on an account. */
let engine: LocalEngine
before(async () => {
  engine = await startTestEngine()
})
after(() => engine.close())

for (const [http, handler] of [
  ['HTTP/2', () => undefined],
  ['HTTP/1.1', () => new NodeHttpHandler()],
] as const)
  describe(`the AWS SDK over ${http}`, () => {
    const S = { StreamName: http.replace('/', '-') }
    const StreamARN = `arn:aws:kinesis:us-east-1:000000000000:stream/${S.StreamName}`
    const ResourceARN = StreamARN
    let client: sdk.KinesisClient
    before(async () => {
      const requestHandler = handler()
      client = new sdk.KinesisClient({
        endpoint: engine.endpoint,
        region: 'us-east-1',
        credentials: { accessKeyId: 'any', secretAccessKey: 'thing' },
        maxAttempts: 1,
        ...(requestHandler && { requestHandler }),
      })
      const onDemand = { StreamModeDetails: { StreamMode: 'ON_DEMAND' } } as const
      await client.send(
        new sdk.CreateStreamCommand({ ...S, ...onDemand, Tags: { from: 'start' }, MaxRecordSizeInKiB: 2048 }),
      )
    })
    after(() => client.destroy())
    const summary = async () => (await client.send(new sdk.DescribeStreamSummaryCommand(S))).StreamDescriptionSummary

    test('tags streams', async () => {
      await client.send(new sdk.AddTagsToStreamCommand({ ...S, Tags: { a: '1', b: '2' } }))
      await client.send(new sdk.TagResourceCommand({ ResourceARN, Tags: { c: '3' } }))
      await client.send(new sdk.RemoveTagsFromStreamCommand({ ...S, TagKeys: ['a'] }))
      await client.send(new sdk.UntagResourceCommand({ ResourceARN, TagKeys: ['b'] }))
      const expected = [
        { Key: 'c', Value: '3' },
        { Key: 'from', Value: 'start' },
      ]
      const listed = await client.send(new sdk.ListTagsForStreamCommand(S))
      assert.deepEqual([listed.Tags, listed.HasMoreTags], [expected, false])
      assert.deepEqual((await client.send(new sdk.ListTagsForResourceCommand({ ResourceARN }))).Tags, expected)
    })

    test('changes retention, monitoring and encryption', async () => {
      await client.send(new sdk.IncreaseStreamRetentionPeriodCommand({ ...S, RetentionPeriodHours: 48 }))
      await client.send(new sdk.DecreaseStreamRetentionPeriodCommand({ ...S, RetentionPeriodHours: 30 }))
      const enabled = await client.send(new sdk.EnableEnhancedMonitoringCommand({ ...S, ShardLevelMetrics: ['ALL'] }))
      assert.equal(enabled.DesiredShardLevelMetrics?.length, 7)
      await client.send(new sdk.DisableEnhancedMonitoringCommand({ ...S, ShardLevelMetrics: ['IncomingBytes'] }))
      const kms = { ...S, EncryptionType: 'KMS', KeyId: 'k' } as const
      await client.send(new sdk.StartStreamEncryptionCommand(kms))
      const put = await client.send(new sdk.PutRecordCommand({ ...S, PartitionKey: 'k', Data: Buffer.of(1) }))
      const now = await summary()
      assert.deepEqual(
        [
          now?.RetentionPeriodHours,
          now?.EnhancedMonitoring?.[0]?.ShardLevelMetrics?.length,
          now?.KeyId,
          put.EncryptionType,
        ],
        [30, 6, 'k', 'KMS'],
      )
      await client.send(new sdk.StopStreamEncryptionCommand(kms))
      assert.equal((await summary())?.EncryptionType, 'NONE')
    })

    test('changes what on-demand streams have, and puts without keys', async () => {
      const warm = await client.send(new sdk.UpdateStreamWarmThroughputCommand({ ...S, WarmThroughputMiBps: 8 }))
      assert.deepEqual(warm.WarmThroughput, { TargetMiBps: 8, CurrentMiBps: 8 })
      await client.send(
        new sdk.UpdateStreamRecordDistributionStrategyCommand({ StreamARN, RecordDistributionStrategy: 'AUTO' }),
      )
      const Records = Array.from({ length: 8 }, () => ({ Data: Buffer.of(1) })) as sdk.PutRecordsRequestEntry[]
      const put = await client.send(new sdk.PutRecordsCommand({ ...S, Records }))
      assert.equal(new Set(put.Records?.map(({ ShardId }) => ShardId)).size, 4)
      await client.send(new sdk.UpdateMaxRecordSizeCommand({ StreamARN, MaxRecordSizeInKiB: 4096 }))
      const now = await summary()
      assert.deepEqual([now?.MaxRecordSizeInKiB, now?.RecordDistributionStrategy], [4096, 'AUTO'])
      await client.send(
        new sdk.UpdateStreamModeCommand({ StreamARN, StreamModeDetails: { StreamMode: 'PROVISIONED' } }),
      )
      assert.equal((await summary())?.StreamModeDetails?.StreamMode, 'PROVISIONED')
    })

    test('keeps policies and settings of the account, and knows no channels', async () => {
      const get = () => client.send(new sdk.GetResourcePolicyCommand({ ResourceARN }))
      await assert.rejects(get(), sdk.ResourceNotFoundException)
      await client.send(new sdk.PutResourcePolicyCommand({ ResourceARN, Policy: '{}' }))
      assert.equal((await get()).Policy, '{}')
      await client.send(new sdk.DeleteResourcePolicyCommand({ ResourceARN }))
      await assert.rejects(get(), sdk.ResourceNotFoundException)
      assert.equal((await client.send(new sdk.DescribeLimitsCommand({}))).ShardLimit, 500)
      const settings = { MinimumThroughputBillingCommitment: { Status: 'ENABLED' } } as const
      await client.send(new sdk.UpdateAccountSettingsCommand(settings))
      const { MinimumThroughputBillingCommitment: kept } = await client.send(new sdk.DescribeAccountSettingsCommand({}))
      assert.equal(kept?.Status, 'ENABLED')
      assert.ok(kept?.StartedAt instanceof Date)
      assert.deepEqual((await client.send(new sdk.ListChannelsCommand({}))).ChannelSummaries, [])
      await assert.rejects(
        client.send(new sdk.DescribeChannelCommand({ ChannelARN: ResourceARN })),
        sdk.InvalidArgumentException,
      )
    })

    test('asks whether a request would succeed', async () => {
      const put = new sdk.PutRecordCommand({ ...S, PartitionKey: 'k', Data: Buffer.of(1), DryRun: true })
      await assert.rejects(client.send(put), sdk.DryRunOperationException)
    })
  })
