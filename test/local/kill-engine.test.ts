import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hashKeyOf, maxHashKey } from '../../src/kinesis/hash-key.ts'
import { type Random, seededRandom } from '../../src/random.ts'
import { runs, seed } from '../support/soak.ts'
import { startEngineProcess } from './start-engine-process.ts'
import { ask, call, cborWire, dataIn, type ShardBody } from './wire-client.ts'

/**
 * Section 9 of the specification, the whole of it: an engine that is killed again and again, at any moment, while records
 * are put and shards are split and merged. Whatever it acknowledged is there in its next life, every number stands for
 * one record, and a PutRecords is whole or absent.
 */
test('9 kill -9 at any moment under puts, splits and merges loses and repeats nothing', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'triton-killed-'))
  try {
    const random = seededRandom(seed())
    const history = new History()
    const kills = runs(200, 4)
    for (let life = 0; life < kills; life++) {
      const sync = (['always', 'interval', 'never'] as const)[Math.floor(random.next() * 3)]
      await using engine = await startEngineProcess(dataDir, {
        ...(sync && { sync }),
        shardLimit: 100_000,
        streams: [{ name: 's', shardCount: 3 }],
      })
      const { endpoint } = engine
      await history.checkNews(endpoint, life % 50 === 49)
      const lanes = [0, 1, 2, 3].map((lane) => putAgainAndAgain(endpoint, `${life}.${lane}`, history, random))
      const work = [...lanes, reshardAgainAndAgain(endpoint, history, random)]
      const ended = Promise.allSettled(work)
      // None of them ends by itself, unless something is wrong.
      await Promise.race([history.moreRequests(Math.floor(random.next() * 60)), ...work])
      await new Promise((resolve) => setTimeout(resolve, random.next() * 20))
      await engine.kill()
      for (const { reason } of (await ended) as PromiseRejectedResult[])
        assert.ok(!(reason instanceof assert.AssertionError), reason)
    }
    await using engine = await startEngineProcess(dataDir)
    await history.checkNews(engine.endpoint, true)
    assert.ok(history.acknowledgedCount > kills, `${history.acknowledgedCount} records were acknowledged`)
    console.log(
      `${kills} kills, ${history.acknowledgedCount} records acknowledged, ${history.shardCount} shards in the end`,
    )
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
})

const S = { StreamName: 's' }

async function putAgainAndAgain(endpoint: string, lane: string, history: History, random: Random): Promise<never> {
  for (let request = 0; ; request++) {
    const recordCount = 1 + Math.floor(random.next() ** 3 * 200)
    const Records = Array.from({ length: recordCount }, (_, at) => ({
      PartitionKey: `key-${Math.floor(random.next() * 1_000)}`,
      Data: Buffer.from(`${lane}.${request} ${at}/${recordCount} ${'x'.repeat(random.next() * 100)}`),
    }))
    const answer = await ask(endpoint, 'PutRecords', { ...S, Records }, cborWire)
    assert.equal(answer.FailedRecordCount, 0)
    for (const [at, { SequenceNumber, ShardId }] of answer.Records.entries())
      history.acknowledge(SequenceNumber, ShardId, (Records[at]?.Data ?? '').toString())
    history.countRequest()
  }
}

async function reshardAgainAndAgain(endpoint: string, history: History, random: Random): Promise<never> {
  for (;;) {
    const { Shards } = await ask(endpoint, 'ListShards', { ...S, ShardFilter: { Type: 'AT_LATEST' } })
    const at = Math.floor(random.next() * (Shards.length - 1))
    const [shard, next] = Shards.sort(byRange).slice(at)
    assert.ok(shard && next)
    const { StartingHashKey, EndingHashKey } = shard.HashKeyRange
    const middle = (BigInt(StartingHashKey) + BigInt(EndingHashKey)) / 2n
    const isSplit = random.next() < 2 / Shards.length
    // Refused when shards are as narrow as they can be; what was acknowledged is kept for the next life.
    const { status } = isSplit
      ? await call(endpoint, 'SplitShard', { ...S, ShardToSplit: shard.ShardId, NewStartingHashKey: String(middle) })
      : await call(endpoint, 'MergeShards', { ...S, ShardToMerge: shard.ShardId, AdjacentShardToMerge: next.ShardId })
    if (status === 200) history.closed.add(shard.ShardId)
    await new Promise((resolve) => setTimeout(resolve, random.next() * 40))
  }
}

function byRange(left: ShardBody, right: ShardBody): number {
  return BigInt(left.HashKeyRange.StartingHashKey) < BigInt(right.HashKeyRange.StartingHashKey) ? -1 : 1
}

/** What is known of the stream, over all lives of the engine. */
class History {
  readonly #acknowledged = new Map<string, { shardId: string; text: string }>()
  /** Every record that was read once, acknowledged or not: it stays, too. */
  readonly #read = new Map<string, string>()
  /** Where each shard was read to. */
  readonly #positions = new Map<string, string>()
  /** Closed shards that were read to their end. */
  readonly #finished = new Set<string>()
  /** How many records of each request were read. */
  readonly #requests = new Map<string, number>()
  /** Shards whose split or merge was acknowledged. */
  readonly closed = new Set<string>()
  shardCount = 0
  #requestsLeft = 0
  #onEnough: (() => void) | undefined

  /** Resolves when so many more requests have been acknowledged. */
  moreRequests(count: number): Promise<void> {
    this.#requestsLeft = count
    return count === 0 ? Promise.resolve() : new Promise((resolve) => (this.#onEnough = resolve))
  }

  countRequest(): void {
    if (--this.#requestsLeft === 0) this.#onEnough?.()
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.size
  }

  acknowledge(number: string, shardId: string, text: string): void {
    assert.ok(!this.#acknowledged.has(number) && !this.#read.has(number), `${number} was given out again`)
    this.#acknowledged.set(number, { shardId, text })
  }

  /** Reads what has come since the last check, or everything anew, and holds it against what must be there. */
  async checkNews(endpoint: string, isWhole: boolean): Promise<void> {
    const shards = await listAll(endpoint)
    this.#checkShards(shards)
    const again = new Map<string, string>()
    for (const shard of shards) await this.#readShard(endpoint, shard, isWhole, again)
    if (isWhole) assert.deepEqual(again, new Map([...this.#read].sort()), 'what was read once is there again')
    for (const [number, { text }] of this.#acknowledged)
      assert.equal(this.#read.get(number), text, `${number} was acknowledged`)
    for (const [request, count] of this.#requests)
      assert.equal(String(count), request.split('/')[1], `${request} is whole`)
  }

  #checkShards(shards: readonly ShardBody[]): void {
    this.shardCount = shards.length
    let nextKey = 0n
    for (const { HashKeyRange, ShardId } of shards.filter(isOpen).sort(byRange)) {
      assert.equal(BigInt(HashKeyRange.StartingHashKey), nextKey, `${ShardId} begins where its neighbour ends`)
      nextKey = BigInt(HashKeyRange.EndingHashKey) + 1n
    }
    assert.equal(nextKey, maxHashKey + 1n)
    const open = new Set(shards.filter(isOpen).map(({ ShardId }) => ShardId))
    for (const shardId of this.closed) assert.ok(!open.has(shardId), `the end of ${shardId} was acknowledged`)
  }

  async #readShard(endpoint: string, shard: ShardBody, isWhole: boolean, again: Map<string, string>): Promise<void> {
    const { ShardId, HashKeyRange } = shard
    if (this.#finished.has(ShardId) && !isWhole) return
    const position = isWhole ? undefined : this.#positions.get(ShardId)
    const start = position
      ? { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: position }
      : { ShardIteratorType: 'TRIM_HORIZON' }
    let iterator: string | undefined = (await ask(endpoint, 'GetShardIterator', { ...S, ShardId, ...start }))
      .ShardIterator
    let last = position ?? ''
    while (iterator !== undefined) {
      const page = await ask(endpoint, 'GetRecords', { ShardIterator: iterator }, cborWire)
      for (const { SequenceNumber, Data, PartitionKey } of page.Records) {
        assert.ok(SequenceNumber > last, `${SequenceNumber} comes behind ${last}`)
        last = SequenceNumber
        const text = dataIn(Data).toString()
        const hashKey = hashKeyOf(PartitionKey)
        assert.ok(BigInt(HashKeyRange.StartingHashKey) <= hashKey && hashKey <= BigInt(HashKeyRange.EndingHashKey))
        const acknowledged = this.#acknowledged.get(SequenceNumber)
        if (acknowledged) assert.deepEqual([ShardId, text], [acknowledged.shardId, acknowledged.text])
        const [request = '', place = ''] = text.split(' ')
        const requestKey = `${request}/${place.split('/')[1]}`
        if (!this.#read.has(SequenceNumber)) this.#requests.set(requestKey, (this.#requests.get(requestKey) ?? 0) + 1)
        this.#read.set(SequenceNumber, text)
        again.set(SequenceNumber, text)
      }
      if (page.NextShardIterator === undefined) this.#finished.add(ShardId)
      iterator = page.MillisBehindLatest === 0 && page.Records.length === 0 ? undefined : page.NextShardIterator
    }
    if (last !== '') this.#positions.set(ShardId, last)
  }
}

async function listAll(endpoint: string): Promise<ShardBody[]> {
  const shards: ShardBody[] = []
  let input: object = S
  for (;;) {
    const page = await ask(endpoint, 'ListShards', input)
    shards.push(...page.Shards)
    if (page.NextToken === undefined) return shards
    input = { NextToken: page.NextToken }
  }
}

function isOpen({ SequenceNumberRange }: ShardBody): boolean {
  return SequenceNumberRange.EndingSequenceNumber === undefined
}
