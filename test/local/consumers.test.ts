import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LocalEngineOptions } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { overEachWire } from './over-each-wire.ts'
import { ask, call, jsonWire, timeIn, timeSent } from './wire-client.ts'

/** Section 10 of the specification, the first half: consumers as they are registered, listed and deregistered. */
const startMs = Date.UTC(2026, 0, 1)
const arn = 'arn:aws:kinesis:us-east-1:000000000000:stream/s'
const ofStream = { StreamARN: arn }

async function startEngine(options: LocalEngineOptions = {}) {
  const clock = new ManualClock(startMs)
  const engine = await startTestEngine({ clock, streams: [{ name: 's', shardCount: 1 }], ...options })
  const { endpoint } = engine
  const register = (name: string) => call(endpoint, 'RegisterStreamConsumer', { ...ofStream, ConsumerName: name })
  const statusOf = async (name: string) => {
    const answer = await call(endpoint, 'DescribeStreamConsumer', { ...ofStream, ConsumerName: name })
    return answer.status === 200 ? answer.body.ConsumerDescription.ConsumerStatus : answer.body.__type
  }
  const countOf = async () =>
    (await ask(endpoint, 'DescribeStreamSummary', { StreamName: 's' })).StreamDescriptionSummary.ConsumerCount
  return { clock, engine, endpoint, register, statusOf, countOf, [Symbol.asyncDispose]: () => engine.close() }
}

const errorOf = ({ status, body }: { status: number; body: { __type: string; message: string } }) => [
  status,
  body.__type,
  body.message,
]

overEachWire('10 consumers', (test, wire) => {
  test('are CREATING for a while, then ACTIVE, DELETING for a while, then gone', async () => {
    await using started = await startEngine({
      updateStreamMs: 500,
      deleteStreamMs: 700,
    })
    const { clock, register, statusOf, countOf, endpoint } = started
    const { body } = await register('app')
    assert.deepEqual(body.Consumer, {
      ConsumerName: 'app',
      ConsumerARN: `${arn}/consumer/app:${startMs / 1000}`,
      ConsumerStatus: 'CREATING',
      ConsumerCreationTimestamp: timeSent(startMs),
    })
    await clock.advance(499)
    assert.equal(await statusOf('app'), 'CREATING')
    await clock.advance(1)
    assert.equal(await statusOf('app'), 'ACTIVE')
    assert.equal(await countOf(), 1)
    const { ConsumerARN } = body.Consumer
    const gone = await call(endpoint, 'DeregisterStreamConsumer', { ConsumerARN })
    assert.deepEqual([gone.status, gone.bytes.length], [200, 0])
    assert.equal(await statusOf('app'), 'DELETING')
    await clock.advance(600)
    const again = await call(endpoint, 'DeregisterStreamConsumer', { ConsumerARN })
    assert.equal(again.status, 200, 'a second call changes nothing')
    await clock.advance(100)
    assert.equal(await statusOf('app'), 'ResourceNotFoundException')
    assert.equal(await countOf(), 0)
  })

  test(`are described by ARN and by name`, async () => {
    await using started = await startEngine()
    const { endpoint } = started
    const named = { ...ofStream, ConsumerName: 'app' }
    const { Consumer } = await ask(endpoint, 'RegisterStreamConsumer', { ...named, Tags: { team: 'a' } }, wire)
    assert.equal(timeIn(Consumer.ConsumerCreationTimestamp, wire), startMs)
    const expected = { ...Consumer, ConsumerStatus: 'ACTIVE', StreamARN: arn }
    for (const reference of [named, { ConsumerARN: Consumer.ConsumerARN }, { ...Consumer, ...named }]) {
      const { ConsumerDescription } = await ask(endpoint, 'DescribeStreamConsumer', reference, wire)
      assert.deepEqual(ConsumerDescription, expected)
    }
    const { Consumers, NextToken } = await ask(endpoint, 'ListStreamConsumers', ofStream, wire)
    assert.deepEqual([Consumers, NextToken], [[{ ...Consumer, ConsumerStatus: 'ACTIVE' }], undefined])
  })

  test('are listed by name in pages, with tokens that live for 300 s and fit one stream', async () => {
    await using started = await startEngine({ updateStreamMs: 0 })
    const { clock, engine, endpoint, register } = started
    for (const name of ['c', 'a', 'd', 'b']) assert.equal((await register(name)).status, 200)
    const names: string[][] = []
    let NextToken: string | undefined
    do {
      const input = { ...ofStream, MaxResults: 3, NextToken }
      const page = await ask(endpoint, 'ListStreamConsumers', input)
      names.push(page.Consumers.map(({ ConsumerName }) => ConsumerName))
      NextToken = page.NextToken
    } while (NextToken !== undefined)
    assert.deepEqual(names, [['a', 'b', 'c'], ['d']])
    const { NextToken: token } = await ask(endpoint, 'ListStreamConsumers', { ...ofStream, MaxResults: 1 })
    const list = (input: object) => call(engine.endpoint, 'ListStreamConsumers', { ...ofStream, ...input })
    const invalid = [400, 'InvalidArgumentException', 'Invalid NextToken.']
    await ask(endpoint, 'CreateStream', { StreamName: 't', ShardCount: 1 })
    const other = { StreamARN: arn.replace(/s$/, 't'), NextToken: token }
    assert.deepEqual(errorOf(await list(other)), invalid, 'of another stream')
    assert.deepEqual(errorOf(await list({ NextToken: `${token}AAAA` })), invalid, 'not as it was issued')
    assert.equal(
      (await list({ NextToken: token, StreamCreationTimestamp: 1 })).body.message,
      'NextToken and StreamCreationTimestamp cannot be provided together.',
    )
    await clock.advance(300_000)
    assert.equal((await list({ NextToken: token })).status, 200)
    await clock.advance(1)
    assert.equal((await list({ NextToken: token })).body.__type, 'ExpiredNextTokenException')
    assert.equal((await list({ StreamCreationTimestamp: new Date(startMs - 2_000) })).status, 200)
    assert.equal((await list({ StreamCreationTimestamp: 5 })).body.__type, 'ResourceNotFoundException')
  })

  test('number 20 a stream at most, 5 of them in CREATING', async () => {
    await using started = await startEngine({ updateStreamMs: 500 })
    const { clock, register } = started
    for (let batch = 0; batch < 4; batch++) {
      for (let at = 0; at < 5; at++) assert.equal((await register(`app-${batch}-${at}`)).status, 200)
      if (batch === 0)
        assert.deepEqual(errorOf(await register('sixth')), [
          400,
          'LimitExceededException',
          `No more than 5 consumers may be in state CREATING under stream ${arn}.`,
        ])
      await clock.advance(500)
    }
    assert.deepEqual(errorOf(await register('one-more')), [
      400,
      'LimitExceededException',
      `No more than 20 consumers may be registered with stream ${arn}.`,
    ])
  })

  test('are refused when they exist, when their stream does not, and when nothing names them', async () => {
    await using started = await startEngine({ createStreamMs: 1_000 })
    const { clock, endpoint, register } = started
    await clock.advance(1_000)
    await register('app')
    const arnError = (operation: string, input: object) => call(endpoint, operation, input).then(errorOf)
    assert.deepEqual(errorOf(await register('app')), [
      400,
      'ResourceInUseException',
      `Consumer app under stream ${arn} already exists.`,
    ])
    const nowhere = { StreamARN: arn.replace(/s$/, 'nowhere'), ConsumerName: 'app' }
    for (const operation of ['RegisterStreamConsumer', 'DescribeStreamConsumer', 'ListStreamConsumers'])
      assert.deepEqual(await arnError(operation, nowhere), [
        400,
        'ResourceNotFoundException',
        'Stream nowhere under account 000000000000 not found.',
      ])
    await ask(endpoint, 'CreateStream', { StreamName: 'young', ShardCount: 1 })
    assert.deepEqual(
      await arnError('RegisterStreamConsumer', { StreamARN: arn.replace(/s$/, 'young'), ConsumerName: 'app' }),
      [400, 'ResourceInUseException', 'Stream young under account 000000000000 not ACTIVE, instead in state CREATING'],
    )
    const notFound = [400, 'ResourceNotFoundException', 'Consumer app, account 000000000000 not found.']
    for (const operation of ['DescribeStreamConsumer', 'DeregisterStreamConsumer']) {
      assert.deepEqual(await arnError(operation, { ConsumerARN: `${arn}/consumer/app:5` }), notFound, 'an older one')
      assert.deepEqual(await arnError(operation, { ...ofStream, ConsumerName: 'b' }), [
        400,
        'ResourceNotFoundException',
        'Consumer b, account 000000000000 not found.',
      ])
      for (const half of [{}, ofStream, { ConsumerName: 'app' }])
        assert.deepEqual(await arnError(operation, half), [
          400,
          'InvalidArgumentException',
          'Either ConsumerARN or both StreamARN and ConsumerName must be provided.',
        ])
      const input = { ConsumerARN: `${arn}/consumer/app:${startMs / 1000 + 1}`, ConsumerName: 'b' }
      assert.equal((await arnError(operation, input))[1], 'InvalidArgumentException', 'two different ones')
    }
    const elsewhere = `${arn}/consumer/app:5`.replace('us-east-1', 'eu-west-1')
    assert.deepEqual(await arnError('DescribeStreamConsumer', { ConsumerARN: elsewhere }), notFound)
  })

  test('are checked as the service model says', async () => {
    await using started = await startEngine()
    const { endpoint } = started
    const complaint = async (operation: string, input: object) => (await call(endpoint, operation, input)).body.message
    assert.equal(
      await complaint('RegisterStreamConsumer', { StreamARN: 'x', ConsumerName: 'a b' }),
      "2 validation errors detected: Value 'x' at 'streamARN' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+; Value 'a b' at 'consumerName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
    )
    assert.equal(
      await complaint('DescribeStreamConsumer', { ConsumerARN: `${arn}/consumer/app` }),
      `1 validation error detected: Value '${arn}/consumer/app' at 'consumerARN' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(arn):aws.*:kinesis:.*:\\d{12}:.*stream\\/[a-zA-Z0-9_.-]+\\/consumer\\/[a-zA-Z0-9_.-]+:[0-9]+`,
    )
    assert.equal(
      await complaint('ListStreamConsumers', { MaxResults: 0 }),
      "2 validation errors detected: Value null at 'streamARN' failed to satisfy constraint: Member must not be null; Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1",
    )
  })

  test('keep their stream from being deleted, unless that is enforced', async () => {
    await using started = await startEngine()
    const { endpoint, register } = started
    await register('app')
    const S = { StreamName: 's' }
    assert.deepEqual(errorOf(await call(endpoint, 'DeleteStream', S)), [
      400,
      'ResourceInUseException',
      "DeleteStream can't delete 000000000000:s because there are consumers associated with this data stream. To delete s anyway, set the EnforceConsumerDeletion parameter to true to force the deletion of all the consumers that are associated with it.",
    ])
    await ask(endpoint, 'DeleteStream', { ...S, EnforceConsumerDeletion: true })
    await ask(endpoint, 'CreateStream', { ...S, ShardCount: 1 })
    assert.deepEqual((await ask(endpoint, 'ListStreamConsumers', ofStream)).Consumers, [], 'a new stream has none')
    await register('app')
    await ask(endpoint, 'DeregisterStreamConsumer', { ...ofStream, ConsumerName: 'app' })
    await ask(endpoint, 'DeleteStream', S)
  })

  test('are there after a restart, and a reshard leaves them alone', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'triton-consumers-'))
    const clock = new ManualClock(startMs)
    const options = { dataDir, clock, updateStreamMs: 500, streams: [{ name: 's', shardCount: 1 }] }
    await using first = await startTestEngine(options)
    for (const name of ['stays', 'leaves'])
      await ask(first.endpoint, 'RegisterStreamConsumer', { ...ofStream, ConsumerName: name })
    await ask(first.endpoint, 'DeregisterStreamConsumer', { ...ofStream, ConsumerName: 'leaves' })
    await ask(first.endpoint, 'SplitShard', {
      StreamName: 's',
      ShardToSplit: '0',
      NewStartingHashKey: String(2n ** 127n),
    })
    await first.close()
    await clock.advance(600)
    await using second = await startTestEngine(options)
    await clock.advance(0)
    const { Consumers } = await ask(second.endpoint, 'ListStreamConsumers', ofStream, jsonWire)
    assert.deepEqual(
      Consumers.map(({ ConsumerName, ConsumerStatus }) => [ConsumerName, ConsumerStatus]),
      [['stays', 'ACTIVE']],
    )
    assert.equal((await ask(second.endpoint, 'ListShards', { StreamName: 's' })).Shards.length, 3)
    await second.close()
    await rm(dataDir, { recursive: true })
  })
})
