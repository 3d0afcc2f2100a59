import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { observe } from '../../src/diagnostics.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { startEngineProcess } from './start-engine-process.ts'
import { TroubledDisk } from './troubled-disk.ts'
import { ask, call, cborWire, dataIn } from './wire-client.ts'

/** Section 9 of the specification: what was acknowledged stays, whatever happens to the process. */
const root = mkdtempSync(join(tmpdir(), 'triton-engine-'))
after(() => rmSync(root, { recursive: true, force: true }))
const newDir = () => mkdtempSync(join(root, 'data-'))

const isRoot = process.getuid?.() === 0
const S = { StreamName: 's' }
const streams = [{ name: 's', shardCount: 2 }]

describe('9 after kill -9 in the middle of writes', () => {
  test('nothing acknowledged is missing, numbers rise, requests are whole, iterators work', async (context) => {
    const dataDir = newDir()
    let engine = await startEngineProcess(dataDir, { streams })
    context.after(() => engine.kill())
    const start = { ...S, ShardId: '0', ShardIteratorType: 'TRIM_HORIZON' }
    const { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', start)
    const acknowledged = new Map<string, string>()
    for (let life = 0; life < 3; life++) {
      let batch = 0
      const lane = async (name: string) => {
        for (;;) {
          const label = `${life}.${name}.${batch++}`
          const Records = Array.from({ length: 50 }, (_, at) => ({
            PartitionKey: `key-${at}`,
            Data: Buffer.from(`${label} ${at}`),
          }))
          const answer = await ask(engine.endpoint, 'PutRecords', { ...S, Records }, cborWire)
          for (const [at, record] of answer.Records.entries()) acknowledged.set(record.SequenceNumber, `${label} ${at}`)
          if (batch > 30 + life * 7) engine.child.kill('SIGKILL')
        }
      }
      await Promise.allSettled(['a', 'b', 'c'].map(lane))
      await engine.exited
      engine = await startEngineProcess(dataDir)
      const records = await readAll(engine.endpoint)
      for (const [number, text] of acknowledged) assert.equal(records.get(number), text, `${text} was acknowledged`)
      // Present requests are whole: 50 records of each label.
      const labels = new Map<string, number>()
      for (const text of records.values()) {
        const label = text.split(' ')[0] as string
        labels.set(label, (labels.get(label) ?? 0) + 1)
      }
      labels.delete('alone')
      for (const [label, count] of labels) assert.equal(count, 50, label)
      const fresh = await ask(engine.endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: Buffer.from('alone 0') })
      for (const number of records.keys()) assert.ok(seqIxOf(fresh.SequenceNumber) > seqIxOf(number), 'numbers go on')
      const page = await ask(engine.endpoint, 'GetRecords', { ShardIterator })
      assert.ok(page.Records.length > 0, 'an iterator from before the first kill reads on')
    }
    await engine.stop()
  })
})

describe('9 after kill -9', () => {
  test('a stream of which only the last shards have records takes more', async () => {
    const dataDir = newDir()
    const put = { ...S, PartitionKey: 'k', Data: '', ExplicitHashKey: String(2n ** 128n - 1n) }
    const numbers: string[] = []
    for (let life = 0; life < 3; life++) {
      await using engine = await startEngineProcess(dataDir, { streams: [{ name: 's', shardCount: 17 }] })
      numbers.push((await ask(engine.endpoint, 'PutRecord', put)).SequenceNumber)
      await engine.kill()
    }
    assert.deepEqual(numbers, [...numbers].sort())
    assert.equal(new Set(numbers).size, 3)
  })
})

describe('9 a restart', () => {
  test('continues each middle state, and completes at once what fell due meanwhile', async () => {
    for (const [state, operation, input, isGone] of [
      ['CREATING', 'CreateStream', { StreamName: 't', ShardCount: 2 }, false],
      ['UPDATING', 'SplitShard', { ...S, ShardToSplit: '0', NewStartingHashKey: '1000' }, false],
      ['UPDATING', 'MergeShards', { ...S, ShardToMerge: '0', AdjacentShardToMerge: '1' }, false],
      ['UPDATING', 'UpdateShardCount', { ...S, TargetShardCount: 3, ScalingType: 'UNIFORM_SCALING' }, false],
      ['DELETING', 'DeleteStream', S, true],
    ] as const) {
      const dataDir = newDir()
      const clock = new ManualClock()
      const slow = { dataDir, clock, createStreamMs: 1_000, updateStreamMs: 1_000, deleteStreamMs: 1_000 }
      const name = 'StreamName' in input ? input.StreamName : 's'
      const statusOn = async (endpoint: string) =>
        (await call(endpoint, 'DescribeStreamSummary', { StreamName: name })).body.StreamDescriptionSummary
          ?.StreamStatus
      {
        await using engine = await startTestEngine({ ...slow, streams })
        await ask(engine.endpoint, operation, input)
        assert.equal(await statusOn(engine.endpoint), state)
      }
      {
        await using engine = await startTestEngine(slow)
        assert.equal(await statusOn(engine.endpoint), state, `${operation}, before it is due`)
        await clock.advance(500)
        assert.equal(await statusOn(engine.endpoint), state)
      }
      await clock.advance(500)
      await using engine = await startTestEngine(slow)
      await clock.advance(0)
      assert.equal(await statusOn(engine.endpoint), isGone ? undefined : 'ACTIVE', `${operation}, when it is due`)
      if (!isGone) {
        const { Shards } = await ask(engine.endpoint, 'ListShards', { StreamName: name })
        assert.ok(Shards.length >= 2)
        await ask(engine.endpoint, 'PutRecord', { StreamName: name, PartitionKey: 'k', Data: '' })
      }
    }
  })

  test('keeps streams, shards, records, iterators and tokens, and numbers go on without a gap', async () => {
    const dataDir = newDir()
    await using first = await startTestEngine({ dataDir, streams: [{ name: 's', shardCount: 5 }] })
    await ask(first.endpoint, 'SplitShard', { ...S, ShardToSplit: '0', NewStartingHashKey: '1000' })
    const put = { ...S, PartitionKey: 'k', Data: Buffer.from('x'), ExplicitHashKey: '5' }
    const one = await ask(first.endpoint, 'PutRecord', put)
    const shards = (await ask(first.endpoint, 'ListShards', S)).Shards
    const { NextToken } = await ask(first.endpoint, 'ListShards', { ...S, MaxResults: 3 })
    const description = await ask(first.endpoint, 'DescribeStream', S)
    const latest = { ...S, ShardId: '5', ShardIteratorType: 'LATEST' }
    const { ShardIterator } = await ask(first.endpoint, 'GetShardIterator', latest)
    await first.close()
    await using second = await startTestEngine({ dataDir, streams: [{ name: 's', shardCount: 9 }] })
    assert.deepEqual((await ask(second.endpoint, 'ListShards', S)).Shards, shards)
    assert.deepEqual(await ask(second.endpoint, 'DescribeStream', S), description)
    assert.deepEqual((await ask(second.endpoint, 'ListShards', { NextToken })).Shards, shards.slice(3))
    const two = await ask(second.endpoint, 'PutRecord', put)
    assert.equal(seqIxOf(two.SequenceNumber), seqIxOf(one.SequenceNumber) + 1n)
    const { Records } = await ask(second.endpoint, 'GetRecords', { ShardIterator })
    assert.deepEqual(
      Records.map(({ SequenceNumber }) => SequenceNumber),
      [two.SequenceNumber],
    )
  })

  test('never gives a number again, also when all records have been trimmed', async () => {
    const dataDir = newDir()
    const clock = new ManualClock()
    const put = { ...S, PartitionKey: 'k', Data: Buffer.from('x') }
    let last = 0n
    for (let life = 0; life < 3; life++) {
      await using engine = await startTestEngine({ dataDir, clock, streams: [{ name: 's', shardCount: 1 }] })
      const number = seqIxOf((await ask(engine.endpoint, 'PutRecord', put)).SequenceNumber)
      assert.ok(number > last)
      last = number
      await clock.advance(25 * 3_600_000)
    }
  })

  test('forgets the records of a stream that was being deleted', async () => {
    const dataDir = newDir()
    {
      await using engine = await startTestEngine({ dataDir, streams, deleteStreamMs: 60_000 })
      await ask(engine.endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: '' })
      assert.deepEqual(readdirSync(join(dataDir, 'streams')), ['1'])
      await ask(engine.endpoint, 'DeleteStream', S)
    }
    assert.deepEqual(readdirSync(join(dataDir, 'streams')), [])
  })
})

describe('9 a data directory', () => {
  test('belongs to one engine at a time', async () => {
    const dataDir = newDir()
    await using first = await startTestEngine({ dataDir })
    const refusal = {
      code: 'TRITON_STORAGE',
      message: `cannot open the data directory ${dataDir}: another engine is using it. Stop that engine, or give this one a directory of its own.`,
    }
    await assert.rejects(startTestEngine({ dataDir }), refusal)
    await assert.rejects(startTestEngine({ dataDir }), refusal)
    await first.close()
    await using child = await startEngineProcess(dataDir)
    await assert.rejects(startTestEngine({ dataDir }), refusal)
    child.child.kill('SIGKILL')
    await child.exited
    await (await startTestEngine({ dataDir })).close()
  })

  test('that cannot be one is refused with its name', async () => {
    const file = join(newDir(), 'file')
    writeFileSync(file, 'x')
    await assert.rejects(startTestEngine({ dataDir: file }), { code: 'TRITON_STORAGE', message: new RegExp(file) })
    await assert.rejects(startTestEngine({ dataDir: join(file, 'below') }), {
      code: 'TRITON_STORAGE',
      message: /cannot open the data directory .*below: ENOTDIR.* See that the directory can be written to/,
    })
    const damaged = newDir()
    writeFileSync(
      join(damaged, 'state.db'),
      'no database at all, but long enough to have a header of one hundred bytes'.repeat(20),
    )
    await assert.rejects(startTestEngine({ dataDir: damaged }), {
      code: 'TRITON_STORAGE',
      message: /state\.db is damaged/,
    })
  })

  test('that the system will not make is refused at once', {
    skip: !existsSync('/proc/self') && 'needs Linux',
  }, async () => {
    // Under /proc it says that what is to be made does not exist, and a recursive mkdir tries for ever.
    await assert.rejects(startTestEngine({ dataDir: '/proc/self/x/y' }), {
      code: 'TRITON_STORAGE',
      message: /cannot open the data directory \/proc\/self\/x\/y: ENOENT/,
    })
  })

  test('that may not be written to is refused in words', { skip: isRoot && 'root may write anywhere' }, async () => {
    const closed = newDir()
    chmodSync(closed, 0o555)
    for (const dataDir of [closed, join(closed, 'below')])
      await assert.rejects(startTestEngine({ dataDir }), {
        code: 'TRITON_STORAGE',
        message: /cannot open the data directory .*: EACCES: permission denied/,
      })
  })

  test('with a torn segment loses the torn request only', async () => {
    const { dataDir, segment } = await writeThree()
    truncateSync(segment, readFileSync(segment).length - 5)
    const { texts, damage } = await readDamaged(dataDir)
    assert.deepEqual(texts, ['one', 'two', 'next'])
    assert.deepEqual(damage, ['cut'])
  })

  test('with a flipped bit in a segment tells of it and gives the other records', async () => {
    const { dataDir, segment } = await writeThree()
    const bytes = readFileSync(segment)
    const at = bytes.indexOf('two')
    bytes[at] = (bytes[at] as number) ^ 4
    writeFileSync(segment, bytes)
    const { texts, damage } = await readDamaged(dataDir)
    assert.ok(!texts.includes('two') && !texts.some((text) => text.length === 3 && text[0] !== 'o'), texts.join())
    assert.equal(texts[0], 'one')
    assert.equal(texts.at(-1), 'next')
    assert.ok(damage.length > 0)
  })

  async function writeThree(): Promise<{ dataDir: string; segment: string }> {
    const dataDir = newDir()
    await using engine = await startEngineProcess(dataDir, { streams: [{ name: 's', shardCount: 1 }] })
    for (const text of ['one', 'two', 'three'])
      await ask(engine.endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: Buffer.from(text) })
    engine.child.kill('SIGKILL')
    await engine.exited
    const [segment] = readdirSync(join(dataDir, 'streams', '1'))
    return { dataDir, segment: join(dataDir, 'streams', '1', segment as string) }
  }

  async function readDamaged(dataDir: string): Promise<{ texts: string[]; damage: string[] }> {
    const damage: string[] = []
    const unobserve = observe((news) => {
      if (news.type === 'journal-damaged') damage.push(news.outcome)
    })
    await using engine = await startTestEngine({ dataDir })
    await ask(engine.endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: Buffer.from('next') })
    const texts = [...(await readAll(engine.endpoint, 1)).values()]
    unobserve()
    return { texts, damage }
  }
})

describe('9 a put that is on its way while its shard closes', () => {
  test('lands in the shard before its end, and no reader is told of the end before', async () => {
    const disk = new TroubledDisk()
    await using engine = await startTestEngine({
      dataDir: newDir(),
      disk,
      sync: 'always',
      streams: [{ name: 's', shardCount: 1 }],
    })
    const start = { ...S, ShardId: '0', ShardIteratorType: 'TRIM_HORIZON' }
    const { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', start)
    disk.holdsSyncs = true
    const put = ask(engine.endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: Buffer.from('late') })
    while (!disk.isHolding) await new Promise((next) => setImmediate(next))
    await ask(engine.endpoint, 'SplitShard', { ...S, ShardToSplit: '0', NewStartingHashKey: '1000' })
    const early = await ask(engine.endpoint, 'GetRecords', { ShardIterator })
    assert.deepEqual([early.Records, early.ChildShards], [[], undefined])
    assert.ok(early.NextShardIterator)
    disk.releaseSyncs()
    assert.equal((await put).ShardId, 'shardId-000000000000')
    const page = await ask(engine.endpoint, 'GetRecords', { ShardIterator: early.NextShardIterator })
    assert.deepEqual(
      page.Records.map(({ SequenceNumber }) => SequenceNumber),
      [(await put).SequenceNumber],
    )
    const end = await ask(engine.endpoint, 'GetRecords', { ShardIterator: page.NextShardIterator })
    assert.deepEqual([end.NextShardIterator, end.ChildShards?.length], [undefined, 2])
  })
})

describe('9 a full disk', () => {
  test('refuses writes, keeps what was acknowledged, and reads go on', async () => {
    const disk = new TroubledDisk()
    const reasons: string[] = []
    const unobserve = observe((news) => {
      if (news.type === 'engine-error') reasons.push(`${news.operation}: ${news.reason}`)
    })
    await using engine = await startTestEngine({
      dataDir: newDir(),
      disk,
      streams: [{ name: 's', shardCount: 1 }],
    })
    const put = (text: string) =>
      call(engine.endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: Buffer.from(text) })
    const before = await put('before')
    disk.isFull = true
    const refused = await put('refused')
    assert.deepEqual([refused.status, refused.body], [500, { __type: 'InternalFailure' }])
    const Records = [
      { PartitionKey: 'k', Data: '' },
      { PartitionKey: 'l', Data: '' },
    ]
    assert.equal((await call(engine.endpoint, 'PutRecords', { ...S, Records })).status, 500)
    assert.deepEqual([...(await readAll(engine.endpoint, 1)).values()], ['before'])
    disk.isFull = false
    const later = await put('later')
    assert.equal(later.status, 200)
    assert.ok(later.body.SequenceNumber > before.body.SequenceNumber)
    assert.deepEqual([...(await readAll(engine.endpoint, 1)).values()], ['before', 'later'])
    assert.deepEqual(
      reasons.map((reason) => reason.split(':')[0]),
      ['PutRecord', 'PutRecords'],
    )
    assert.match(reasons[0] ?? '', /no space|full|ENOSPC/i)
    unobserve()
  })
})

/** All records of the stream's first shards: sequence number and text, in order. */
async function readAll(endpoint: string, shardCount = 2): Promise<Map<string, string>> {
  const records = new Map<string, string>()
  for (let shard = 0; shard < shardCount; shard++) {
    const start = { ...S, ShardId: String(shard), ShardIteratorType: 'TRIM_HORIZON' }
    let iterator: string | undefined = (await ask(endpoint, 'GetShardIterator', start)).ShardIterator
    for (;;) {
      const page = await ask(endpoint, 'GetRecords', { ShardIterator: iterator, Limit: 1_000 }, cborWire)
      for (const { SequenceNumber, Data } of page.Records) records.set(SequenceNumber, dataIn(Data).toString())
      iterator = page.NextShardIterator
      if (page.MillisBehindLatest === 0 || iterator === undefined) break
    }
  }
  return records
}

function seqIxOf(sequenceNumber: string): bigint {
  return (BigInt(sequenceNumber) >> 80n) & 0x7fff_ffff_ffff_ffffn
}
