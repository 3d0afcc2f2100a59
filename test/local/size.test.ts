import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { runs } from '../support/soak.ts'
import { ask, cborWire, dataIn, type ShardBody } from './wire-client.ts'

/** Sections 3, 6 and 8 of the specification at the sizes that large users have. */
const root = mkdtempSync(join(tmpdir(), 'triton-size-'))
after(() => rmSync(root, { recursive: true, force: true }))
const newDir = () => mkdtempSync(join(root, 'data-'))

const hourMs = 3_600_000

test('6 a stream of 10,000 shards is listed, written, split, read and there after a restart', async () => {
  const dataDir = newDir()
  const S = { StreamName: 'wide' }
  const put = new Map<string, string>()
  {
    await using engine = await startTestEngine({ dataDir, shardLimit: 20_000 })
    const { endpoint } = engine
    await ask(endpoint, 'CreateStream', { ...S, ShardCount: 10_000 })
    for (let request = 0; request < 20; request++) {
      const Records = Array.from({ length: 500 }, (_, at) => {
        const text = `${request * 500 + at}`
        return { PartitionKey: text, Data: Buffer.from(text) }
      })
      const answer = await ask(endpoint, 'PutRecords', { ...S, Records }, cborWire)
      for (const [at, { ShardId }] of answer.Records.entries()) put.set(Records[at]?.PartitionKey ?? '', ShardId)
    }
    assert.ok(new Set(put.values()).size > 5_000, 'records go to all of them')
    const shards = await listAll(endpoint, S)
    assert.equal(shards.length, 10_000)
    const [first, second, third] = shards
    assert.ok(first && second && third)
    const middle = (BigInt(first.HashKeyRange.StartingHashKey) + BigInt(first.HashKeyRange.EndingHashKey)) / 2n
    await ask(endpoint, 'SplitShard', { ...S, ShardToSplit: first.ShardId, NewStartingHashKey: String(middle) })
    const pair = { ShardToMerge: second.ShardId, AdjacentShardToMerge: third.ShardId }
    await ask(endpoint, 'MergeShards', { ...S, ...pair })
  }
  await using engine = await startTestEngine({ dataDir, shardLimit: 20_000 })
  const { endpoint } = engine
  assert.equal((await listAll(endpoint, S)).length, 10_003)
  const { OpenShardCount } = (await ask(endpoint, 'DescribeStreamSummary', S)).StreamDescriptionSummary
  assert.equal(OpenShardCount, 10_000)
  for (const ShardId of [...put.values()].filter((_, at) => at % 200 === 0)) {
    const { ShardIterator } = await ask(endpoint, 'GetShardIterator', {
      ...S,
      ShardId,
      ShardIteratorType: 'TRIM_HORIZON',
    })
    const { Records } = await ask(endpoint, 'GetRecords', { ShardIterator })
    const expected = [...put].filter(([, shardId]) => shardId === ShardId).map(([text]) => text)
    assert.deepEqual(
      Records.map(({ Data }) => dataIn(Data).toString()),
      expected,
    )
  }
})

test('3 a thousand streams take and give records, also after a restart', async () => {
  const dataDir = newDir()
  const names = Array.from({ length: runs(1_000, 150) }, (_, at) => `stream-${String(at).padStart(4, '0')}`)
  {
    await using engine = await startTestEngine({ dataDir, shardLimit: 2_000 })
    for (const StreamName of names) await ask(engine.endpoint, 'CreateStream', { StreamName, ShardCount: 1 })
    for (const StreamName of names)
      await ask(engine.endpoint, 'PutRecord', { StreamName, PartitionKey: 'k', Data: Buffer.from(StreamName) })
  }
  await using engine = await startTestEngine({ dataDir })
  assert.deepEqual((await ask(engine.endpoint, 'ListStreams', { Limit: 10_000 })).StreamNames, names)
  for (const StreamName of names) {
    const start = { StreamName, ShardId: '0', ShardIteratorType: 'TRIM_HORIZON' }
    const { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', start)
    const { Records } = await ask(engine.endpoint, 'GetRecords', { ShardIterator })
    assert.deepEqual(
      Records.map(({ Data }) => dataIn(Data).toString()),
      [StreamName],
    )
  }
})

test('8 retention gives whole segments back to the disk, and keeps those with a record that is young', async () => {
  const dataDir = newDir()
  const clock = new ManualClock()
  await using engine = await startTestEngine({ dataDir, clock, streams: [{ name: 's', shardCount: 1 }] })
  const S = { StreamName: 's' }
  const Records = Array.from({ length: 10 }, () => ({ PartitionKey: 'k', Data: Buffer.alloc(1_000_000, 1) }))
  for (let request = 0; request < 8; request++) await ask(engine.endpoint, 'PutRecords', { ...S, Records }, cborWire)
  const before = segmentsIn(dataDir)
  assert.equal(before.length, 2, 'a segment is 64 MiB')
  await clock.advance(23 * hourMs)
  await ask(engine.endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: Buffer.from('young') })
  await clock.advance(2 * hourMs)
  await until(() => segmentsIn(dataDir).length === 1)
  assert.deepEqual(segmentsIn(dataDir), before.slice(1), 'the second holds the young record, and stays whole')
  const start = { ...S, ShardId: '0', ShardIteratorType: 'TRIM_HORIZON' }
  const { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', start)
  const page = await ask(engine.endpoint, 'GetRecords', { ShardIterator }, cborWire)
  assert.deepEqual(
    page.Records.map(({ Data }) => dataIn(Data).toString()),
    ['young'],
  )
  await clock.advance(23 * hourMs)
  await until(() => bytesIn(dataDir) < 100_000)
})

/** Files are deleted beside the clock: that has no time of its own, but an end. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((next) => setImmediate(next))
}

function segmentsIn(dataDir: string): string[] {
  const dir = join(dataDir, 'streams', readdirSync(join(dataDir, 'streams'))[0] ?? '')
  return readdirSync(dir)
    .filter((name) => statSync(join(dir, name)).size > 1_000_000)
    .sort()
}

function bytesIn(dataDir: string): number {
  const files = readdirSync(join(dataDir, 'streams'), { recursive: true, encoding: 'utf8' })
  return files.reduce((bytes, name) => {
    const facts = statSync(join(dataDir, 'streams', name), { throwIfNoEntry: false })
    return bytes + (facts?.isFile() ? facts.size : 0)
  }, 0)
}

async function listAll(endpoint: string, stream: object): Promise<ShardBody[]> {
  const shards: ShardBody[] = []
  let input = stream
  for (;;) {
    const page = await ask(endpoint, 'ListShards', input)
    shards.push(...page.Shards)
    if (page.NextToken === undefined) return shards
    input = { NextToken: page.NextToken }
  }
}
