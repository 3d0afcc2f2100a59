import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as sdk from '@aws-sdk/client-kinesis'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'

const waiting = { minDelay: 1, maxDelay: 1, maxWaitTime: 5 }

/** The AWS SDK for JavaScript, used plainly: every operation, over HTTP/2 (its default) and over HTTP/1.1. */
let engine: LocalEngine
before(async () => {
  engine = await startTestEngine({ resubscribeAfterMs: 0 })
})
after(() => engine.close())

for (const [http, handler] of [
  ['HTTP/2', () => undefined],
  ['HTTP/1.1', () => new NodeHttpHandler()],
] as const)
  describe(`the AWS SDK over ${http}`, () => {
    const S = { StreamName: http.replace('/', '-') }
    let client: sdk.KinesisClient
    before(() => {
      const requestHandler = handler()
      client = new sdk.KinesisClient({
        endpoint: engine.endpoint,
        region: 'us-east-1',
        credentials: { accessKeyId: 'any', secretAccessKey: 'thing' },
        maxAttempts: 1,
        ...(requestHandler && { requestHandler }),
      })
    })
    after(() => client.destroy())

    test('creates a stream, waits for it and describes it', async () => {
      await client.send(new sdk.CreateStreamCommand({ ...S, ShardCount: 2 }))
      await sdk.waitUntilStreamExists({ client, ...waiting }, S)
      const { StreamDescription } = await client.send(new sdk.DescribeStreamCommand(S))
      assert.equal(StreamDescription?.StreamStatus, 'ACTIVE')
      assert.ok(StreamDescription.StreamCreationTimestamp instanceof Date)
      assert.ok(Math.abs(StreamDescription.StreamCreationTimestamp.getTime() - Date.now()) < 60_000)
      const { StreamDescriptionSummary } = await client.send(new sdk.DescribeStreamSummaryCommand(S))
      assert.equal(StreamDescriptionSummary?.OpenShardCount, 2)
      const { StreamSummaries } = await client.send(new sdk.ListStreamsCommand({}))
      assert.ok(StreamSummaries?.some(({ StreamName }) => StreamName === S.StreamName))
    })

    test('puts records and reads them back from every position', async () => {
      const startedAt = new Date(Date.now() - 1_000)
      const one = await client.send(
        new sdk.PutRecordCommand({ ...S, PartitionKey: 'clé', Data: Buffer.from('first'), ExplicitHashKey: '0' }),
      )
      assert.equal(one.ShardId, 'shardId-000000000000')
      const Records = Array.from({ length: 20 }, (_, at) => ({
        PartitionKey: `key-${at}`,
        Data: Buffer.from([at, 0, 255]),
        ExplicitHashKey: '1',
      }))
      const many = await client.send(new sdk.PutRecordsCommand({ ...S, Records }))
      assert.deepEqual([many.FailedRecordCount, many.Records?.length], [0, 20])
      const read = async (start: Omit<sdk.GetShardIteratorInput, 'ShardId'>) => {
        const { ShardIterator } = await client.send(
          new sdk.GetShardIteratorCommand({ ...S, ...start, ShardId: one.ShardId }),
        )
        return (await client.send(new sdk.GetRecordsCommand({ ShardIterator }))).Records ?? []
      }
      const all = await read({ ShardIteratorType: 'TRIM_HORIZON' })
      assert.equal(all.length, 21)
      assert.deepEqual([all[0]?.PartitionKey, Buffer.from(all[0]?.Data ?? []).toString()], ['clé', 'first'])
      assert.deepEqual(Buffer.from(all[20]?.Data ?? []), Buffer.from([19, 0, 255]))
      assert.ok(all[0]?.ApproximateArrivalTimestamp instanceof Date)
      const number = { StartingSequenceNumber: one.SequenceNumber }
      assert.equal((await read({ ShardIteratorType: 'AT_SEQUENCE_NUMBER', ...number })).length, 21)
      assert.equal((await read({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', ...number })).length, 20)
      assert.equal((await read({ ShardIteratorType: 'AT_TIMESTAMP', Timestamp: startedAt })).length, 21)
      assert.equal((await read({ ShardIteratorType: 'LATEST' })).length, 0)
    })

    test('splits, merges and resizes, and lists the shards', async () => {
      await client.send(
        new sdk.SplitShardCommand({ ...S, ShardToSplit: 'shardId-000000000000', NewStartingHashKey: '1000' }),
      )
      await client.send(
        new sdk.MergeShardsCommand({
          ...S,
          ShardToMerge: 'shardId-000000000002',
          AdjacentShardToMerge: 'shardId-000000000003',
        }),
      )
      const resized = await client.send(
        new sdk.UpdateShardCountCommand({ ...S, TargetShardCount: 4, ScalingType: 'UNIFORM_SCALING' }),
      )
      assert.deepEqual([resized.CurrentShardCount, resized.TargetShardCount], [2, 4])
      const { Shards } = await client.send(new sdk.ListShardsCommand({ ...S, ShardFilter: { Type: 'AT_LATEST' } }))
      assert.equal(Shards?.length, 4)
      const parent = { ...S, ShardId: 'shardId-000000000001', ShardIteratorType: 'LATEST' } as const
      const { ShardIterator } = await client.send(new sdk.GetShardIteratorCommand(parent))
      const { ChildShards, NextShardIterator } = await client.send(new sdk.GetRecordsCommand({ ShardIterator }))
      assert.deepEqual([ChildShards?.length, NextShardIterator], [2, undefined])
      const pages: number[] = []
      for await (const page of sdk.paginateListStreams({ client, pageSize: 1 }, {}))
        pages.push(page.StreamNames?.length ?? 0)
      assert.ok(pages.every((length) => length === 1))
    })

    test('carries large requests and answers', async () => {
      const Records = Array.from({ length: 9 }, () => ({ PartitionKey: 'k', Data: Buffer.alloc(1024 * 1024 - 1, 1) }))
      const { Records: put } = await client.send(new sdk.PutRecordsCommand({ ...S, Records }))
      const ShardId = put?.[0]?.ShardId
      const { ShardIterator } = await client.send(
        new sdk.GetShardIteratorCommand({ ...S, ShardId, ShardIteratorType: 'TRIM_HORIZON' }),
      )
      const { Records: read } = await client.send(new sdk.GetRecordsCommand({ ShardIterator }))
      assert.equal(read?.length, 9)
      assert.ok(read.every(({ Data }) => Data?.length === 1024 * 1024 - 1))
    })

    test('subscribes to a shard to its end, and is told when another takes its place', async () => {
      const stream = { StreamName: `fan-out-${S.StreamName}` }
      await client.send(new sdk.CreateStreamCommand({ ...stream, ShardCount: 1 }))
      const { StreamDescription } = await client.send(new sdk.DescribeStreamCommand(stream))
      const { StreamARN } = StreamDescription ?? {}
      const { Consumer } = await client.send(new sdk.RegisterStreamConsumerCommand({ StreamARN, ConsumerName: 'app' }))
      const subscribe = async (StartingPosition: sdk.StartingPosition) => {
        const place = { ConsumerARN: Consumer?.ConsumerARN, ShardId: 'shardId-000000000000', StartingPosition }
        const { EventStream } = await client.send(new sdk.SubscribeToShardCommand(place))
        assert.ok(EventStream)
        return EventStream[Symbol.asyncIterator]()
      }
      const nextOf = async (events: AsyncIterator<sdk.SubscribeToShardEventStream>) => {
        const { value } = await events.next()
        return (value as sdk.SubscribeToShardEventStream | undefined)?.SubscribeToShardEvent
      }
      const put = (text: string) =>
        client.send(new sdk.PutRecordCommand({ ...stream, PartitionKey: 'k', Data: Buffer.from(text) }))
      const first = await subscribe({ Type: 'LATEST' })
      assert.equal((await nextOf(first))?.Records?.length, 0)
      const { SequenceNumber } = await put('pushed')
      const pushed = await nextOf(first)
      assert.equal(Buffer.from(pushed?.Records?.[0]?.Data ?? []).toString(), 'pushed')
      assert.ok(pushed?.Records?.[0]?.ApproximateArrivalTimestamp instanceof Date)
      assert.equal(pushed?.ContinuationSequenceNumber, SequenceNumber)
      const second = await subscribe({ Type: 'AT_SEQUENCE_NUMBER', SequenceNumber })
      await assert.rejects(first.next(), sdk.ResourceInUseException)
      assert.equal((await nextOf(second))?.Records?.length, 1)
      const split = { ShardToSplit: 'shardId-000000000000', NewStartingHashKey: '1000' }
      await client.send(new sdk.SplitShardCommand({ ...stream, ...split }))
      const end = await nextOf(second)
      assert.deepEqual([end?.ChildShards?.length, end?.ContinuationSequenceNumber], [2, undefined])
      assert.equal((await second.next()).done, true)
      const { Consumers } = await client.send(new sdk.ListStreamConsumersCommand({ StreamARN }))
      assert.deepEqual(
        Consumers?.map(({ ConsumerStatus }) => ConsumerStatus),
        ['ACTIVE'],
      )
      const named = { ConsumerARN: Consumer?.ConsumerARN }
      const { ConsumerDescription } = await client.send(new sdk.DescribeStreamConsumerCommand(named))
      assert.equal(ConsumerDescription?.StreamARN, StreamARN)
      await client.send(new sdk.DeregisterStreamConsumerCommand(named))
      await assert.rejects(client.send(new sdk.DescribeStreamConsumerCommand(named)), sdk.ResourceNotFoundException)
    })

    test('gets typed errors', async () => {
      const get = (ShardIterator: string) => client.send(new sdk.GetRecordsCommand({ ShardIterator }))
      await assert.rejects(get('x'), sdk.InvalidArgumentException)
      await assert.rejects(
        client.send(new sdk.DescribeStreamCommand({ StreamName: 'none' })),
        sdk.ResourceNotFoundException,
      )
      await assert.rejects(
        client.send(new sdk.CreateStreamCommand({ ...S, ShardCount: 1 })),
        sdk.ResourceInUseException,
      )
      engine.setFaults([{ action: 'throttle', stream: S.StreamName }])
      const put = new sdk.PutRecordCommand({ ...S, PartitionKey: 'k', Data: Buffer.of(1) })
      await assert.rejects(client.send(put), sdk.ProvisionedThroughputExceededException)
      engine.setFaults([])
    })

    test('deletes the stream', async () => {
      await client.send(new sdk.DeleteStreamCommand(S))
      await sdk.waitUntilStreamNotExists({ client, ...waiting }, S)
    })
  })
