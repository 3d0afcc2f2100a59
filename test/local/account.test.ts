import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { overEachWire } from './over-each-wire.ts'
import { ask, call, jsonWire, timeIn, type Wire, wires } from './wire-client.ts'

/** Section 3.2 of the specification: limits and settings of the account, policies, channels. */
const streams = [{ name: 's', shardCount: 3 }]
const ResourceARN = 'arn:aws:kinesis:us-east-1:000000000000:stream/s'
const hourMs = 3_600_000

async function errorOf(engine: LocalEngine, operation: string, input: object, wire: Wire = jsonWire): Promise<string> {
  const { status, body } = await call(engine.endpoint, operation, input, wire)
  return status === 200 ? 'fine' : `${body.__type}: ${body.message}`
}

overEachWire('3.2 DescribeLimits', (test, wire) => {
  test(`counts shards and on-demand streams`, async () => {
    await using engine = await startTestEngine({ streams, shardLimit: 20 })
    const onDemand = { StreamName: 'd', StreamModeDetails: { StreamMode: 'ON_DEMAND' } }
    await ask(engine.endpoint, 'CreateStream', onDemand, wire)
    assert.deepEqual(await ask(engine.endpoint, 'DescribeLimits', {}, wire), {
      ShardLimit: 20,
      OpenShardCount: 7,
      OnDemandStreamCount: 1,
      OnDemandStreamCountLimit: 50,
      ChannelCount: 0,
      ChannelCountLimit: 0,
    })
  })
})

overEachWire('3.2 DescribeAccountSettings and UpdateAccountSettings', (test, wire) => {
  const commitment = (Status: string) => ({ MinimumThroughputBillingCommitment: { Status } })
  const disabled = { MinimumThroughputBillingCommitment: { Status: 'DISABLED' } }

  test(`keep a commitment for a day at least`, async () => {
    const clock = new ManualClock()
    await using engine = await startTestEngine({ clock })
    const startMs = clock.now()
    const seen = async (answer: ReturnType<typeof ask>) => {
      const now = (await answer).MinimumThroughputBillingCommitment
      assert.deepEqual(
        (await ask(engine.endpoint, 'DescribeAccountSettings', {}, wire)).MinimumThroughputBillingCommitment,
        now,
      )
      const hours = (value: number | undefined) =>
        value === undefined ? undefined : (timeIn(value, wire) - startMs) / hourMs
      return [now.Status, hours(now.StartedAt), hours(now.EarliestAllowedEndAt), hours(now.EndedAt)]
    }
    const set = (status: string) => seen(ask(engine.endpoint, 'UpdateAccountSettings', commitment(status), wire))
    const get = () => seen(ask(engine.endpoint, 'DescribeAccountSettings', {}, wire))
    assert.deepEqual(await get(), ['DISABLED', undefined, undefined, undefined])
    assert.deepEqual(await set('DISABLED'), ['DISABLED', undefined, undefined, undefined])
    assert.deepEqual(await set('ENABLED'), ['ENABLED', 0, 24, undefined])
    await clock.advance(hourMs)
    assert.deepEqual(await set('ENABLED'), ['ENABLED', 0, 24, undefined])
    assert.deepEqual(await set('DISABLED'), ['ENABLED_UNTIL_EARLIEST_ALLOWED_END', 0, 24, undefined])
    assert.deepEqual(await set('ENABLED'), ['ENABLED', 0, 24, undefined])
    await set('DISABLED')
    await clock.advance(23 * hourMs)
    assert.deepEqual(await get(), ['DISABLED', 0, undefined, 24])
    await clock.advance(hourMs)
    assert.deepEqual(await set('ENABLED'), ['ENABLED', 25, 49, undefined])
    await clock.advance(30 * hourMs)
    assert.deepEqual(await set('DISABLED'), ['DISABLED', 25, undefined, 55])
  })

  test('know two states to ask for', async () => {
    await using engine = await startTestEngine()
    const start = 'ValidationException: 1 validation error detected: Value'
    assert.equal(
      await errorOf(engine, 'UpdateAccountSettings', {}),
      `${start} null at 'minimumThroughputBillingCommitment' failed to satisfy constraint: Member must not be null`,
    )
    assert.equal(
      await errorOf(engine, 'UpdateAccountSettings', commitment('MAYBE')),
      `${start} 'MAYBE' at 'minimumThroughputBillingCommitment.status' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED]`,
    )
    assert.deepEqual(await ask(engine.endpoint, 'DescribeAccountSettings', {}), disabled)
  })

  test('survive a restart', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'triton-account-'))
    try {
      await using first = await startTestEngine({ dataDir })
      await ask(first.endpoint, 'UpdateAccountSettings', commitment('DISABLED'))
      const kept = await ask(first.endpoint, 'UpdateAccountSettings', commitment('ENABLED'))
      await first.close()
      await using second = await startTestEngine({ dataDir })
      assert.deepEqual(await ask(second.endpoint, 'DescribeAccountSettings', {}), kept)
    } finally {
      rmSync(dataDir, { recursive: true, force: true })
    }
  })
})

overEachWire('3.2 resource policies', (test, wire) => {
  const none = (arn: string) =>
    `ResourceNotFoundException: No resource policy found for resource ${arn} under account 000000000000.`

  test(`are put, replaced, got and deleted`, async () => {
    await using engine = await startTestEngine({ streams })
    const get = () => errorOf(engine, 'GetResourcePolicy', { ResourceARN }, wire)
    assert.equal(await get(), none(ResourceARN))
    assert.equal(await errorOf(engine, 'DeleteResourcePolicy', { ResourceARN }, wire), none(ResourceARN))
    for (const Policy of ['{"Version":"2012-10-17"}', 'any text, Größe 7']) {
      await ask(engine.endpoint, 'PutResourcePolicy', { ResourceARN, Policy }, wire)
      assert.deepEqual(await ask(engine.endpoint, 'GetResourcePolicy', { ResourceARN }, wire), { Policy })
    }
    await ask(engine.endpoint, 'DeleteResourcePolicy', { ResourceARN }, wire)
    assert.equal(await get(), none(ResourceARN))
  })

  test('of a consumer are its own and end with it', async () => {
    await using engine = await startTestEngine({ streams })
    const { endpoint } = engine
    const register = async (ConsumerName: string) =>
      (await ask(endpoint, 'RegisterStreamConsumer', { StreamARN: ResourceARN, ConsumerName })).Consumer.ConsumerARN
    const [first, second] = [await register('a'), await register('b')]
    await ask(endpoint, 'PutResourcePolicy', { ResourceARN: first, Policy: 'one' })
    await ask(endpoint, 'PutResourcePolicy', { ResourceARN: second, Policy: 'two' })
    assert.equal(await errorOf(engine, 'GetResourcePolicy', { ResourceARN }), none(ResourceARN))
    await ask(endpoint, 'DeregisterStreamConsumer', { ConsumerARN: first })
    await ask(endpoint, 'PutResourcePolicy', { ResourceARN, Policy: 'three' })
    assert.match(await errorOf(engine, 'GetResourcePolicy', { ResourceARN: first }), /^ResourceNotFoundException: /)
    assert.deepEqual(await ask(endpoint, 'GetResourcePolicy', { ResourceARN: second }), { Policy: 'two' })
  })

  test('survive a restart', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'triton-policy-'))
    try {
      await using first = await startTestEngine({ dataDir, streams })
      await ask(first.endpoint, 'PutResourcePolicy', { ResourceARN, Policy: 'kept' })
      await first.close()
      await using second = await startTestEngine({ dataDir })
      assert.deepEqual(await ask(second.endpoint, 'GetResourcePolicy', { ResourceARN }), { Policy: 'kept' })
    } finally {
      rmSync(dataDir, { recursive: true, force: true })
    }
  })

  test('need a resource and a text', async () => {
    await using engine = await startTestEngine({ streams })
    assert.match(await errorOf(engine, 'PutResourcePolicy', { ResourceARN }), /Value null at 'policy' failed/)
    assert.match(await errorOf(engine, 'GetResourcePolicy', {}), /Value null at 'resourceARN' failed/)
    const other = ResourceARN.replace('/s', '/other')
    assert.equal(
      await errorOf(engine, 'PutResourcePolicy', { ResourceARN: other, Policy: 'x' }),
      'ResourceNotFoundException: Stream other under account 000000000000 not found.',
    )
  })
})

test('3.2 channels are refused, and listed as none', async () => {
  await using engine = await startTestEngine()
  for (const wire of wires) {
    for (const operation of ['CreateChannel', 'DescribeChannel', 'UpdateChannel', 'DeleteChannel'])
      assert.equal(
        await errorOf(engine, operation, { ChannelName: 'c', ChannelARN: 'x' }, wire),
        'InvalidArgumentException: Channels are not supported by the local engine.',
      )
    assert.deepEqual(await ask(engine.endpoint, 'ListChannels', {}, wire), { ChannelSummaries: [] })
  }
})
