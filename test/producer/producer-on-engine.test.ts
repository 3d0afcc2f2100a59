import assert from 'node:assert/strict'
import { test } from 'node:test'
import { observe } from '../../src/diagnostics.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { EncodedRecord, KinesisApi, PutEntry } from '../../src/kinesis/kinesis-api.ts'
import { compareSequenceNumbers } from '../../src/kinesis/sequence-number.ts'
import type { FaultRule } from '../../src/local/fault-rule.ts'
import { Producer, type ProducerOptions, PutError, type PutOutcome } from '../../src/producer/producer.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { seed } from '../support/soak.ts'

/** All that can go wrong at once, a part of the time. */
const trouble: FaultRule[] = [
  { action: 'partial-failure', operation: 'PutRecords', probability: 0.3, share: 0.3 },
  { action: 'partial-failure', operation: 'PutRecords', probability: 0.1, share: 0.2, recordsAre: 'internal-failure' },
  { action: 'throttle', operation: 'PutRecords', probability: 0.05 },
  { action: 'internal-failure', operation: 'PutRecords', probability: 0.05 },
  { action: 'cut-before', operation: 'PutRecords', probability: 0.05 },
  { action: 'cut-after', operation: 'PutRecords', probability: 0.05 },
  { action: 'half-body', operation: 'PutRecords', probability: 0.05 },
  { action: 'garbage-body', operation: 'PutRecords', probability: 0.05 },
  { action: 'answer-lost', operation: 'PutRecords', probability: 0.02 },
  { action: 'delay', operation: 'PutRecords', probability: 0.1, delayMs: 20 },
]

const quick: ProducerOptions = { retryDelayMs: 5, longestRetryDelayMs: 50, batchRecords: 100 }

for (const order of ['lane', 'strict'] as const) {
  test(`in trouble of every kind, everything arrives and order "${order}" is what it promises`, async (t) => {
    await using engine = await startTestEngine({ streams: [{ name: 'orders', shardCount: 4 }] })
    engine.setFaults(trouble, seed())
    // Long enough for a busy machine: engine and producer share this process, and a late answer counts as lost.
    const impatient = createAwsKinesisApi({ endpoint: engine.endpoint, requestTimeoutMs: 1_000 })
    t.after(() => impatient.close())
    const patient = createAwsKinesisApi({ endpoint: engine.endpoint })
    t.after(() => patient.close())
    await using producer = new Producer(impatient, 'orders', { ...quick, order, deadlineMs: 120_000 })
    const keyCount = order === 'strict' ? 200 : 40
    const entries = entriesOf(2_000, keyCount)
    const outcomes = (await producer.putMany(entries.slice(0, 1_500))).concat(
      await Promise.all(entries.slice(1_500).map((entry) => put(producer, entry))),
    )
    engine.setFaults([])
    const stored = await readAll(patient, 'orders')
    assert.deepEqual(
      outcomes.filter(({ ok }) => !ok),
      [],
    )
    const isReordered = checkOutcomes(entries, outcomes, stored)
    assert.equal(isReordered, order === 'lane')
  })
}

test('records go on to the right shards while the stream is split, merged and resized', async () => {
  await using engine = await startTestEngine({ streams: [{ name: 'orders', shardCount: 2 }] })
  const api = createAwsKinesisApi({ endpoint: engine.endpoint })
  await using producer = new Producer(api, 'orders', { batchRecords: 20, requestsInFlight: 3 })
  const entries = entriesOf(4_000, 50)
  const putting = producer.putMany(entries)
  await api.splitShard('orders', 'shardId-000000000000', 1n << 126n)
  await api.mergeShards('orders', 'shardId-000000000003', 'shardId-000000000001')
  await api.updateShardCount('orders', 4)
  const outcomes = await putting
  const stored = await readAll(api, 'orders')
  api.close()
  assert.equal(checkOutcomes(entries, outcomes, stored), false)
})

test('with the engine gone, records are handed back with the reason, and a new engine takes them', async () => {
  const streams = [{ name: 'orders', shardCount: 1 }]
  await using first = await startTestEngine({ streams })
  const api = createAwsKinesisApi({ endpoint: first.endpoint })
  const clock = new ManualClock()
  const random = { next: () => 0.9 }
  await using producer = new Producer(api, 'orders', { ...quick, deadlineMs: 1_000, clock, random })
  await producer.put({ data: Buffer.from('before'), partitionKey: 'a' })
  await first.close()
  const retried = new Promise<void>((resolve) => {
    const unobserve = observe(({ type }) => {
      if (type !== 'put-retry') return
      unobserve()
      resolve()
    })
  })
  const failing = producer.put({ data: Buffer.from('meanwhile'), partitionKey: 'a' }).catch((reason) => reason)
  await retried
  // The second attempt is refused so late that no third one has time.
  await clock.advance(999)
  const error = await failing
  assert.ok(error instanceof PutError)
  assert.equal(error.awsCode, 'ECONNREFUSED')
  assert.match(error.message, new RegExp(`${first.endpoint} could not be reached`))
  await using second = await startTestEngine({ streams, port: first.port })
  assert.equal(second.endpoint, first.endpoint)
  assert.ok((await producer.put({ data: Buffer.from('after'), partitionKey: 'a' })).sequenceNumber)
  api.close()
})

test('one record and its request up to the limits of Kinesis: 1 MiB, and 10 MiB together, or 5 where asked for', async () => {
  await using engine = await startTestEngine({ streams: [{ name: 'orders', shardCount: 2 }] })
  const api = createAwsKinesisApi({ endpoint: engine.endpoint })
  const largest = Array.from({ length: 12 }, (_, index) => ({
    data: Buffer.alloc(1024 * 1024 - 1, index),
    partitionKey: String.fromCharCode(97 + index),
  }))
  const batchesOf = async (options: ProducerOptions) => {
    await using producer = new Producer(api, 'orders', { ...options, requestsInFlight: 1 })
    const batches: number[] = []
    const unobserve = observe((news) => news.type === 'batch-put' && batches.push(news.recordCount))
    const outcomes = await producer.putMany(largest)
    unobserve()
    assert.deepEqual(
      outcomes.filter(({ ok }) => !ok),
      [],
    )
    await assert.rejects(
      producer.put({ data: Buffer.alloc(1024 * 1024), partitionKey: 'a' }),
      /larger than the 1048576 bytes/,
    )
    return batches
  }
  assert.deepEqual(await batchesOf({}), [10, 2])
  assert.deepEqual(await batchesOf({ batchBytes: 5 * 1024 * 1024 }), [5, 5, 2])
  api.close()
})

function entriesOf(count: number, keyCount: number): PutEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    data: Buffer.from(String(index)),
    partitionKey: `key-${(index * 7) % keyCount}`,
  }))
}

async function put(producer: Producer, entry: PutEntry): Promise<PutOutcome> {
  return { ok: true, index: 0, ...(await producer.put(entry)) }
}

async function readAll(api: KinesisApi, stream: string): Promise<Map<string, EncodedRecord>> {
  const stored = new Map<string, EncodedRecord>()
  for (const { shardId } of await api.listShards(stream)) {
    let iterator: string | undefined = await api.getShardIterator(stream, shardId, { type: 'TRIM_HORIZON' })
    while (iterator !== undefined) {
      const page = await api.getRecords(iterator, 10_000)
      for (const record of page.records) stored.set(record.sequenceNumber, record)
      iterator = page.records.length === 0 ? undefined : page.nextShardIterator
    }
  }
  return stored
}

/** Every outcome names its record in the stream, and a key's outcomes rise but for those that say `reordered`. */
function checkOutcomes(
  entries: readonly PutEntry[],
  outcomes: readonly PutOutcome[],
  stored: ReadonlyMap<string, EncodedRecord>,
): boolean {
  const lowestBehind = new Map<string, string>()
  let isReordered = false
  for (let index = entries.length - 1; index >= 0; index--) {
    const entry = entries[index] as PutEntry
    const outcome = outcomes[index]
    assert.ok(outcome?.ok)
    const { sequenceNumber, reordered } = outcome
    const record = stored.get(sequenceNumber)
    assert.equal(record?.partitionKey, entry.partitionKey)
    assert.equal(Buffer.from(record?.bytes ?? []).toString(), Buffer.from(entry.data).toString())
    const lowest = lowestBehind.get(entry.partitionKey)
    const isOvertaken = lowest !== undefined && compareSequenceNumbers(lowest, sequenceNumber) < 0
    assert.equal(reordered, isOvertaken, `record ${index}`)
    isReordered ||= reordered
    if (!isOvertaken) lowestBehind.set(entry.partitionKey, sequenceNumber)
  }
  return isReordered
}
