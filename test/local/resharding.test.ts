import assert from 'node:assert/strict'
import fc from 'fast-check'
import { evenHashKeyRanges } from '../../src/kinesis/hash-key.ts'
import { parseSequenceNumber } from '../../src/kinesis/sequence-number.ts'
import { firstShards, planShardCount, reshard } from '../../src/local/state/reshard.ts'
import { openShards, type StreamState } from '../../src/local/state/stream-state.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { runs, seed } from '../support/soak.ts'
import { overEachWire } from './over-each-wire.ts'
import { ask, call, type ShardBody } from './wire-client.ts'

/** Section 6 of the specification: SplitShard, MergeShards, UpdateShardCount, ListShards. */
const startMs = Date.UTC(2026, 0, 1)
const S = { StreamName: 's' }

async function startEngine(shardCount: number, options = {}) {
  const clock = new ManualClock(startMs)
  const engine = await startTestEngine({ clock, streams: [{ name: 's', shardCount }], ...options })
  const list = async (input: object = {}) => (await ask(engine.endpoint, 'ListShards', { ...S, ...input })).Shards
  const split = (shard: number, key: bigint | string) =>
    call(engine.endpoint, 'SplitShard', { ...S, ShardToSplit: String(shard), NewStartingHashKey: String(key) })
  const merge = (shard: number, adjacent: number) =>
    call(engine.endpoint, 'MergeShards', { ...S, ShardToMerge: String(shard), AdjacentShardToMerge: String(adjacent) })
  return { clock, engine, list, split, merge, [Symbol.asyncDispose]: () => engine.close() }
}

const id = (index: number) => `shardId-${String(index).padStart(12, '0')}`
const parts = (number: string | undefined) => parseSequenceNumber(number ?? '')

overEachWire('6 SplitShard', (test) => {
  test('closes the shard and opens two that begin a second later', async () => {
    await using started = await startEngine(2)
    const { clock, list, split } = started
    await clock.advance(10_400)
    assert.equal((await split(0, 1000n)).status, 200)
    const shards = await list()
    assert.deepEqual(
      shards.map(({ ShardId, ParentShardId, AdjacentParentShardId, HashKeyRange }) => [
        ShardId,
        ParentShardId,
        AdjacentParentShardId,
        HashKeyRange.StartingHashKey,
        HashKeyRange.EndingHashKey,
      ]),
      [
        [id(0), undefined, undefined, '0', String(2n ** 127n - 1n)],
        [id(1), undefined, undefined, String(2n ** 127n), String(2n ** 128n - 1n)],
        [id(2), id(0), undefined, '0', '999'],
        [id(3), id(0), undefined, '1000', String(2n ** 127n - 1n)],
      ],
    )
    const [parent, other, lower, upper] = shards.map(({ SequenceNumberRange }) => SequenceNumberRange)
    const closedSeconds = startMs / 1000 + 10
    assert.deepEqual(parts(parent?.EndingSequenceNumber), {
      version: 2,
      createTimeSeconds: startMs / 1000 - 2,
      shardIndex: 0,
      seqIx: 0x7fff_ffff_ffff_ffffn,
      seqTimeSeconds: closedSeconds,
    })
    assert.equal(other?.EndingSequenceNumber, undefined)
    for (const [index, child] of [
      [2, lower],
      [3, upper],
    ] as const)
      assert.deepEqual(parts(child?.StartingSequenceNumber), {
        version: 2,
        createTimeSeconds: closedSeconds + 1,
        shardIndex: index,
        seqIx: 0n,
        seqTimeSeconds: closedSeconds + 1,
      })
  })

  test("gives a record that comes before its child shard was created the child's own time", async () => {
    await using started = await startEngine(1)
    const { clock, engine, split } = started
    await split(0, 1000n)
    const put = { ...S, PartitionKey: 'k', Data: '', ExplicitHashKey: '0' }
    const { ShardId, SequenceNumber } = await ask(engine.endpoint, 'PutRecord', put)
    assert.deepEqual([ShardId, parts(SequenceNumber)?.seqTimeSeconds], [id(1), clock.now() / 1000 + 1])
    // The child can be split again within its first second.
    assert.equal((await split(1, 100n)).status, 200)
    const grandchild = await ask(engine.endpoint, 'PutRecord', put)
    assert.equal(parts(grandchild.SequenceNumber)?.createTimeSeconds, clock.now() / 1000 + 2)
    assert.ok(BigInt(grandchild.SequenceNumber) > BigInt(SequenceNumber))
  })

  test('is refused with the reason', async () => {
    await using started = await startEngine(2)
    const { split, engine } = started
    const told = async (shard: string, key: bigint) => {
      const input = { ...S, ShardToSplit: shard, NewStartingHashKey: String(key) }
      const { body } = await call(engine.endpoint, 'SplitShard', input)
      return `${body.__type}: ${body.message}`
    }
    const under = 'in stream s under account 000000000000'
    assert.equal(await told('shardId-x', 5n), `ResourceNotFoundException: Could not find shard shardId-x ${under}.`)
    assert.equal(await told('2147483648', 5n), `ResourceNotFoundException: Could not find shard 2147483648 ${under}.`)
    assert.equal(await told('x-7', 5n), `ResourceNotFoundException: Could not find shard ${id(7)} ${under}.`)
    const end = 2n ** 127n - 1n
    for (const key of [0n, 1n, end, end + 1n, 2n ** 128n])
      assert.equal(
        await told('0', key),
        `InvalidArgumentException: NewStartingHashKey ${key} used in SplitShard() on shard ${id(0)} ${under} is not both greater than one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey ${end}.`,
      )
    assert.equal((await split(0, 2n)).status, 200)
    assert.equal(
      await told('0', 5n),
      `InvalidArgumentException: Shard ${id(0)} ${under} has already been merged or split, and thus is not eligible for merging or splitting.`,
    )
  })
})

overEachWire('6 MergeShards', (test) => {
  test('closes two shards at one time and opens one with both as its parents', async () => {
    await using started = await startEngine(2)
    const { list, merge, split } = started
    await split(0, 1000n)
    assert.equal((await merge(3, 1)).status, 200)
    const shards = await list()
    const child = shards[4] as ShardBody
    assert.deepEqual([child.ParentShardId, child.AdjacentParentShardId], [id(3), id(1)])
    assert.deepEqual(child.HashKeyRange, { StartingHashKey: '1000', EndingHashKey: String(2n ** 128n - 1n) })
    const [first, second] = [shards[3], shards[1]].map((shard) =>
      parts(shard?.SequenceNumberRange.EndingSequenceNumber),
    )
    assert.equal(first?.seqTimeSeconds, second?.seqTimeSeconds)
    // Shard 3 began a second after the split, so it can't have ended before.
    assert.equal(first?.seqTimeSeconds, startMs / 1000 + 1)
  })

  test('is refused for shards that are no pair', async () => {
    await using started = await startEngine(3)
    const { merge } = started
    const under = 'in stream s under account 000000000000'
    for (const [shard, adjacent] of [
      [1, 0],
      [0, 2],
      [0, 0],
    ] as const)
      assert.deepEqual((await merge(shard, adjacent)).body, {
        __type: 'InvalidArgumentException',
        message: `Shards ${id(shard)} and ${id(adjacent)} ${under} are not an adjacent pair of shards eligible for merging`,
      })
    assert.equal((await merge(0, 9)).body.message, `Could not find shard ${id(9)} ${under}.`)
    assert.equal((await merge(0, 1)).status, 200)
    assert.match((await merge(1, 2)).body.message, /has already been merged or split/)
  })
})

overEachWire('6 UpdateShardCount', (test) => {
  const table = [
    [1, 2, 3, '1 2', '1<0 2<0'],
    [2, 4, 6, '2 3 4 5', '2<0 3<0 4<1 5<1'],
    [4, 2, 6, '4 5', '4<0+1 5<2+3'],
    [2, 3, 7, '2 6 5', '2<0 3<0 4<1 5<1 6<3+4'],
    [3, 2, 7, '5 6', '3<1 4<1 5<0+3 6<4+2'],
    [4, 3, 11, '6 9 10', '4<1 5<1 6<0+4 7<2 8<2 9<5+7 10<8+3'],
    [4, 5, 15, '4 8 11 14 13', '4<0 5<0 6<1 7<1 8<5+6 9<2 10<2 11<7+9 12<3 13<3 14<10+12'],
    [3, 6, 9, '3 4 5 6 7 8', '3<0 4<0 5<1 6<1 7<2 8<2'],
    [6, 3, 9, '6 7 8', '6<0+1 7<2+3 8<4+5'],
  ] as const
  for (const [from, to, all, open, lineage] of table)
    test(`leads from ${from} to ${to} shards`, async () => {
      await using started = await startEngine(from)
      const { engine, list } = started
      const answer = await ask(engine.endpoint, 'UpdateShardCount', {
        ...S,
        TargetShardCount: to,
        ScalingType: 'UNIFORM_SCALING',
      })
      assert.deepEqual(answer, {
        StreamName: 's',
        StreamARN: 'arn:aws:kinesis:us-east-1:000000000000:stream/s',
        CurrentShardCount: from,
        TargetShardCount: to,
      })
      const shards = await list()
      assert.equal(shards.length, all)
      const short = (shardId: string | undefined) => Number(shardId?.slice(-4))
      const isOpen = (shard: ShardBody) => shard.SequenceNumberRange.EndingSequenceNumber === undefined
      const byRange = (left: ShardBody, right: ShardBody) =>
        BigInt(left.HashKeyRange.StartingHashKey) < BigInt(right.HashKeyRange.StartingHashKey) ? -1 : 1
      assert.equal(
        shards
          .filter(isOpen)
          .sort(byRange)
          .map(({ ShardId }) => short(ShardId))
          .join(' '),
        open,
      )
      const told = shards
        .filter(({ ParentShardId }) => ParentShardId !== undefined)
        .map(({ ShardId, ParentShardId, AdjacentParentShardId }) => {
          const adjacent = AdjacentParentShardId === undefined ? '' : `+${short(AdjacentParentShardId)}`
          return `${short(ShardId)}<${short(ParentShardId)}${adjacent}`
        })
      assert.equal(told.join(' '), lineage)
    })

  test('does nothing when the count is the present one', async () => {
    await using started = await startEngine(3)
    const { engine, list } = started
    const same = { ...S, TargetShardCount: 3, ScalingType: 'UNIFORM_SCALING' }
    assert.equal((await ask(engine.endpoint, 'UpdateShardCount', same)).CurrentShardCount, 3)
    assert.equal((await list()).length, 3)
  })

  test('goes neither above the double nor below the half', async () => {
    await using started = await startEngine(5)
    const { engine } = started
    const told = async (TargetShardCount: number) =>
      (await call(engine.endpoint, 'UpdateShardCount', { ...S, TargetShardCount, ScalingType: 'UNIFORM_SCALING' })).body
    assert.deepEqual(await told(11), {
      __type: 'LimitExceededException',
      message:
        'UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 5, Target shard count: 11',
    })
    assert.equal(
      (await told(2)).message,
      'UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: 5, Target shard count: 2',
    )
    assert.equal((await told(3)).TargetShardCount, 3)
  })

  test('covers all hash keys evenly, however often it is repeated', () => {
    const counts = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), counts, (first, targets) => {
        let stream: StreamState = { ...emptyStream, shards: firstShards(first, 0), nextShardIndex: first }
        for (const target of targets) {
          const steps = planShardCount(openShards(stream), target, stream.nextShardIndex)
          stream = { ...stream, ...reshard(stream, steps, 0, () => 0) }
          const ranges = openShards(stream)
            .map(({ range }) => range)
            .sort((left, right) => (left.start < right.start ? -1 : 1))
          const even = evenHashKeyRanges(target)
          assert.equal(ranges.length, target)
          for (const [at, { start, end }] of ranges.entries()) {
            assert.equal(start, at === 0 ? 0n : (ranges[at - 1]?.end ?? 0n) + 1n)
            // Borders that were a few keys off stay, and their distance may add up over a few changes.
            const off = end - (even[at]?.end ?? 0n)
            assert.ok(off <= 1000n && off >= -1000n, `border ${at} of ${target} is ${off} keys off`)
          }
        }
      }),
      { numRuns: runs(10_000), seed: seed() },
    )
  })
})

overEachWire('6 ListShards', (test) => {
  test('pages with a token, which alone says what is listed', async () => {
    await using started = await startEngine(5)
    const { clock, engine } = started
    const list = (input: object) => call(engine.endpoint, 'ListShards', input)
    const first = (await list({ ...S, MaxResults: 2, ExclusiveStartShardId: 'shard-0' })).body
    assert.deepEqual(
      first.Shards.map(({ ShardId }) => ShardId),
      [id(1), id(2)],
    )
    const second = (await list({ NextToken: first.NextToken, MaxResults: 10_000 })).body
    assert.deepEqual([second.Shards.map(({ ShardId }) => ShardId), second.NextToken], [[id(3), id(4)], undefined])
    await clock.advance(300_000)
    assert.equal((await list({ NextToken: first.NextToken })).status, 200)
    await clock.advance(1)
    assert.equal((await list({ NextToken: first.NextToken })).body.__type, 'ExpiredNextTokenException')
  })

  test('refuses what contradicts itself', async () => {
    await using started = await startEngine(2)
    const { engine } = started
    const told = async (input: object) => {
      const { body } = await call(engine.endpoint, 'ListShards', input)
      return `${body.__type}: ${body.message}`
    }
    const { NextToken } = (await call(engine.endpoint, 'ListShards', { ...S, MaxResults: 1 })).body
    const { NextToken: ofStreams } = (await call(engine.endpoint, 'ListStreams', { Limit: 1 })).body
    assert.equal(ofStreams, undefined)
    assert.equal(await told({}), 'InvalidArgumentException: Either NextToken or StreamName should be provided.')
    for (const [name, value] of Object.entries({
      StreamName: 's',
      StreamARN: 'arn:aws:kinesis:us-east-1:000000000000:stream/s',
      ExclusiveStartShardId: '0',
      ShardFilter: { Type: 'AT_LATEST' },
    }))
      assert.equal(
        await told({ NextToken, [name]: value }),
        `InvalidArgumentException: NextToken and ${name} cannot be provided together.`,
      )
    for (const token of ['x', `${NextToken}A`, `A${NextToken?.slice(1)}`, Buffer.alloc(100).toString('base64')])
      assert.equal(await told({ NextToken: token }), 'InvalidArgumentException: Invalid NextToken.')
    assert.match(await told({ ...S, StreamCreationTimestamp: 1 }), /^ResourceNotFoundException: /)
    const created = { ...S, StreamCreationTimestamp: new Date(startMs - 2_000) }
    assert.equal((await call(engine.endpoint, 'ListShards', created)).body.Shards.length, 2)
    assert.match(await told({ StreamName: 'x' }), /^ResourceNotFoundException: Stream x /)
    for (const ShardFilter of [
      { Type: 'AT_TIMESTAMP' },
      { Type: 'FROM_TIMESTAMP' },
      { Type: 'AFTER_SHARD_ID' },
      { Type: 'AT_TIMESTAMP', Timestamp: new Date(startMs + 1_000) },
    ])
      assert.match(await told({ ...S, ShardFilter }), /^InvalidArgumentException: /)
  })

  test('filters by the life of a shard', async () => {
    await using started = await startEngine(1)
    const { clock, list, split } = started
    await clock.advance(3_600_000)
    await split(0, 1000n)
    await clock.advance(3_600_000)
    await split(1, 100n)
    await clock.advance(3_600_000)
    // 0 lives in the first hour, 1 in the second; 2 since the second; 3 and 4 since the third.
    const at = (hours: number) => new Date(startMs + hours * 3_600_000)
    for (const [filter, expected] of [
      [undefined, [0, 1, 2, 3, 4]],
      [{ Type: 'FROM_TRIM_HORIZON' }, [0, 1, 2, 3, 4]],
      [{ Type: 'AT_LATEST' }, [2, 3, 4]],
      [{ Type: 'AT_TRIM_HORIZON' }, [0]],
      [{ Type: 'AT_TIMESTAMP', Timestamp: at(0.5) }, [0]],
      [{ Type: 'AT_TIMESTAMP', Timestamp: at(-90) }, [0]],
      [{ Type: 'AT_TIMESTAMP', Timestamp: at(1.0001) }, [1, 2]],
      [{ Type: 'AT_TIMESTAMP', Timestamp: at(2.5) }, [2, 3, 4]],
      [{ Type: 'FROM_TIMESTAMP', Timestamp: at(1.5) }, [1, 2, 3, 4]],
      [{ Type: 'FROM_TIMESTAMP', Timestamp: at(2.5) }, [2, 3, 4]],
      [{ Type: 'AFTER_SHARD_ID', ShardId: 'shardId-000000000002' }, [3, 4]],
    ] as const)
      assert.deepEqual(
        (await list({ ShardFilter: filter })).map(({ ShardId }) => ShardId),
        expected.map(id),
        JSON.stringify(filter),
      )
    // 23 hours on, the horizon lies in the second hour: shard 0 has expired.
    await clock.advance(22.5 * 3_600_000)
    assert.deepEqual(
      (await list()).map(({ ShardId }) => ShardId),
      [1, 2, 3, 4].map(id),
    )
    assert.deepEqual(
      (await list({ ShardFilter: { Type: 'AT_TRIM_HORIZON' } })).map(({ ShardId }) => ShardId),
      [1, 2].map(id),
    )
  })

  test('lists a thousand shards at most', async () => {
    await using engine = await startTestEngine({ shardLimit: 3_000, streams: [{ name: 's', shardCount: 2_500 }] })
    const first = await ask(engine.endpoint, 'ListShards', { ...S, MaxResults: 10_000 })
    assert.equal(first.Shards.length, 1_000)
    const second = await ask(engine.endpoint, 'ListShards', { NextToken: first.NextToken })
    const third = await ask(engine.endpoint, 'ListShards', { NextToken: second.NextToken })
    assert.deepEqual([third.Shards.length, third.Shards[0]?.ShardId, third.NextToken], [500, id(2_000), undefined])
  })
})

const emptyStream: StreamState = {
  serial: 1,
  name: 's',
  status: 'ACTIVE',
  mode: 'PROVISIONED',
  createdSeconds: 0,
  retentionHours: 24,
  shards: [],
  nextShardIndex: 0,
}
