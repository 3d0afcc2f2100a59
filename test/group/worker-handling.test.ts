import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { MemoryLeaseStore } from '../../src/checkpoint/memory-lease-store.ts'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { LeaseLostError, TritonCheckpointError } from '../../src/errors.ts'
import type { DeadLetter } from '../../src/group/failure-policy.ts'
import type { HandlerContext } from '../../src/group/handler-context.ts'
import { releaseShard } from '../../src/group/seize-shards.ts'
import {
  ConfigError,
  type CreateWorkerOptions,
  createWorker,
  deadLettersTo,
  getStream,
  parseConfig,
  Stream,
  type StreamRecord,
} from '../../src/index.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { settle } from '../support/manual-clock.ts'

let engine: LocalEngine
let streamCount = 0

before(async () => {
  engine = await startTestEngine()
})
after(() => engine.close())

/** A stream of its own, of text records, and a group that has never worked. */
async function freshPlace(shardCount = 1) {
  const name = `handling-${streamCount++}`
  const definition = { name, partition_key: 'key', region: 'us-east-1', endpoint: engine.endpoint, format: 'text' }
  const stream = getStream<string>(name, parseConfig(JSON.stringify({ [name]: definition }), 'a test'))
  const { createAwsKinesisApi } = await import('../../src/index.ts')
  const api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
  await api.createStream(name, shardCount)
  api.close()
  const leases = new MemoryLeaseStore()
  const open = (options: Partial<CreateWorkerOptions<string>>) =>
    createWorker<string>({
      ...{ stream, client: 'c', leases, failoverMs: 60_000, idlePollMs: 10, callsPerSecond: 1_000, retryMs: 1 },
      ...options,
    })
  const put = async (texts: readonly string[], keyOf = (_: string) => 'key') => {
    await stream.putMany(texts, { keysOf: (text) => ({ partitionKey: keyOf(text) }) })
  }
  return { name, stream, leases, open, put, [Symbol.asyncDispose]: () => stream.close() }
}

/** Something that becomes true, and who waits for it. */
class News {
  #waiting: (() => void)[] = []

  tell(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

class Heard implements Disposable {
  readonly all: Diagnostic[] = []
  readonly #news = new News()
  readonly #stop = observe((news) => {
    this.all.push(news)
    this.#news.tell()
  })

  of<T extends Diagnostic['type']>(type: T): Extract<Diagnostic, { type: T }>[] {
    return this.all.filter((news) => news.type === type) as Extract<Diagnostic, { type: T }>[]
  }

  until(isTrue: () => boolean): Promise<void> {
    return this.#news.until(isTrue)
  }

  [Symbol.dispose](): void {
    this.#stop()
  }
}

const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `r${from + index}`)
const dataOf = (records: readonly StreamRecord<string>[]) => records.map(({ data }) => data)

describe('a handler', () => {
  test('gets all records of a shard in order, and what it handled is the checkpoint', async () => {
    await using place = await freshPlace()
    await place.put(numbered(100))
    const got: string[] = []
    const news = new News()
    const worker = place.open({
      batchRecords: 7,
      handler: (records) => {
        got.push(...(dataOf(records) as string[]))
        news.tell()
      },
    })
    await using _ = worker
    await news.until(() => got.length === 100)
    await worker.close()
    assert.deepEqual(got, numbered(100))
    await using again = place.open({ handler: (records) => void got.push(...(dataOf(records) as string[])) })
    await place.put(['late'])
    using heard = new Heard()
    await heard.until(() => got.length > 100)
    assert.deepEqual(got.slice(100), ['late'])
    assert.ok(again)
  })

  test('takes records one by one where that is asked for', async () => {
    await using place = await freshPlace()
    await place.put(numbered(20))
    const got: (string | undefined)[] = []
    const news = new News()
    await using _ = place.open({
      handleRecord: ({ data }) => {
        got.push(data)
        news.tell()
      },
    })
    await news.until(() => got.length === 20)
    assert.deepEqual(got, numbered(20))
  })

  test('that throws or rejects gets its records again, and the shard goes on', async () => {
    await using place = await freshPlace()
    await place.put(numbered(10))
    const got: string[] = []
    let callCount = 0
    using heard = new Heard()
    await using _ = place.open({
      handler: (records) => {
        callCount += 1
        if (callCount === 1) throw new TypeError('thrown')
        if (callCount === 2) return Promise.reject('rejected with a text')
        if (callCount === 3) throw { status: 503 }
        if (callCount === 4) throw Object.create(null)
        got.push(...(dataOf(records) as string[]))
        return undefined
      },
    })
    await heard.until(() => heard.of('batch-handled').some(({ recordCount }) => recordCount === 10))
    assert.deepEqual(got, numbered(10))
    const reasons = heard.of('handler-failed').map(({ reason, attempt }) => [attempt, reason])
    assert.deepEqual(reasons, [
      [1, 'TypeError: thrown'],
      [2, 'rejected with a text'],
      [3, '{ status: 503 }'],
      [4, '[Object: null prototype] {}'],
    ])
  })

  test('of single records that fails at one gets that one again, and none of those before it', async () => {
    await using place = await freshPlace()
    await place.put(numbered(5))
    const got: (string | undefined)[] = []
    const news = new News()
    await using _ = place.open({
      handleRecord: ({ data }, { attempt }) => {
        got.push(data)
        news.tell()
        if (data === 'r2' && attempt === 1) throw new Error('once')
      },
    })
    await news.until(() => got.length === 6)
    assert.deepEqual(got, ['r0', 'r1', 'r2', 'r2', 'r3', 'r4'])
  })

  test('that empties its list as it goes gets all of it again when it fails, and is kept when it does not', async () => {
    for (const isPromised of [false, true]) {
      await using place = await freshPlace()
      await place.put(numbered(6))
      const got: string[] = []
      let lastNumber = ''
      let callCount = 0
      using heard = new Heard()
      const worker = place.open({
        handler: (records) => {
          callCount += 1
          for (let record = records.shift(); record !== undefined; record = records.shift()) {
            got.push(record.data ?? '')
            lastNumber = record.sequenceNumber
            if (callCount === 1 && got.length === 3) throw new Error('in the middle')
          }
          return isPromised ? settle() : undefined
        },
      })
      await using _ = worker
      await heard.until(() => heard.of('batch-handled').some(({ recordCount }) => recordCount === 6))
      assert.deepEqual(got, [...numbered(3), ...numbered(6)])
      await worker.close()
      const [kept] = (await place.leases.checkpoints.load('c', place.name)).values()
      assert.equal(kept?.sequenceNumber, lastNumber)
    }
  })

  test('a poison record costs itself: the batch is halved until it stands alone, then skipped and told', async () => {
    await using place = await freshPlace()
    await place.put(numbered(64))
    const got = new Set<string>()
    using heard = new Heard()
    await using _ = place.open({
      ...{ retries: 1, onFailure: 'skip' },
      handler: (records) => {
        if (dataOf(records).includes('r37')) throw new Error('poison')
        for (const { data = '' } of records) got.add(data)
      },
    })
    await heard.until(() => heard.of('record-skipped').length > 0)
    await heard.until(() => got.size === 63)
    const [skipped] = heard.of('record-skipped')
    assert.equal(heard.of('record-skipped').length, 1)
    assert.equal(skipped?.shardId, 'shardId-000000000000')
    assert.match(skipped?.sequenceNumber ?? '', /^\d{56}$/)
    assert.equal(skipped?.reason, 'Error: poison')
    assert.ok(!got.has('r37'))
  })

  test('a stopped shard stands before its record, keeps what came before, lets others go on, and resumes', async () => {
    await using place = await freshPlace(2)
    const keys = ['key-0', 'key-1', 'key-2', 'key-3', 'key-4', 'key-5']
    const shardOf = new Map<string, string>()
    for (const key of keys) shardOf.set(key, (await place.stream.put(key, { partitionKey: key })).shardId)
    const bad = keys[0] as string
    const other = keys.find((key) => shardOf.get(key) !== shardOf.get(bad)) as string
    let isBroken = true
    const got: string[] = []
    using heard = new Heard()
    const worker = place.open({
      ...{ retries: 0, stoppedRetryMs: 5 },
      handler: (records) => {
        if (isBroken && dataOf(records).includes('bad')) throw new Error('no')
        got.push(...(dataOf(records) as string[]))
      },
    })
    await using _ = worker
    await place.put(['before', 'bad', 'after'], () => bad)
    await heard.until(() => heard.of('shard-stopped').length >= 2)
    await place.put(['other'], () => other)
    await heard.until(() => got.includes('other'))
    assert.ok(got.includes('before') && !got.includes('after'))
    isBroken = false
    await heard.until(() => got.includes('after'))
    assert.deepEqual(
      got.filter((text) => ['before', 'bad', 'after'].includes(text)),
      ['before', 'bad', 'after'],
    )
    assert.equal(heard.of('shard-resumed').length, 1)
    assert.equal(heard.of('record-skipped').length, 0)
  })

  test('a dead letter says where it comes from and why; while it can not be kept, the shard waits', async () => {
    await using place = await freshPlace()
    await place.put(['good', 'bad', 'fine'])
    const letters: DeadLetter[] = []
    let sendCount = 0
    const got: string[] = []
    using heard = new Heard()
    await using _ = place.open({
      ...{ retries: 2, stoppedRetryMs: 5 },
      onFailure: {
        description: 'a list',
        async send(letter) {
          if (++sendCount === 1) throw new Error('disk full')
          letters.push(letter)
        },
      },
      handler: (records) => {
        if (dataOf(records).includes('bad')) throw new Error('poison')
        got.push(...(dataOf(records) as string[]))
      },
    })
    await heard.until(() => got.includes('fine'))
    assert.equal(letters.length, 1)
    const [letter] = letters
    assert.equal(letter?.client, 'c')
    assert.equal(letter?.stream, place.name)
    assert.equal(Buffer.from(letter?.bytes ?? []).toString(), 'bad')
    assert.equal(letter?.partitionKey, 'key')
    assert.match(letter?.reason ?? '', /poison/)
    assert.equal(heard.of('record-dead-lettered')[0]?.to, 'a list')
    assert.match(heard.of('shard-stopped')[0]?.reason ?? '', /could not be kept in a list: Error: disk full/)
  })

  test('a dead letter can go to a stream, under the key that its record had', async () => {
    await using place = await freshPlace()
    await using dead = await freshPlace()
    const definition = { ...dead.stream.definition, format: 'msgpack' as const }
    await using letters = new Stream<Record<string, unknown>>(definition)
    await place.put(['good', 'bad', 'fine'], (text) => `key of ${text}`)
    const got: string[] = []
    using heard = new Heard()
    await using _ = place.open({
      ...{ retries: 0, onFailure: deadLettersTo(letters) },
      handler: (records) => {
        if (dataOf(records).includes('bad')) throw new Error('poison')
        got.push(...(dataOf(records) as string[]))
      },
    })
    await heard.until(() => got.includes('fine') && got.includes('good'))
    for await (const { data, partitionKey } of letters.buildIteratorForAll()) {
      assert.equal(partitionKey, 'key of bad')
      assert.equal(String(data?.['bytes']), 'bad')
      const { client, stream, shardId, reason } = data ?? {}
      assert.deepEqual([client, stream, shardId, reason], ['c', place.name, 'shardId-000000000000', 'Error: poison'])
      break
    }
  })

  test('records of different keys run side by side, each key in order; the checkpoint follows the lowest', async () => {
    await using place = await freshPlace()
    const texts = Array.from({ length: 40 }, (_, index) => `${index % 4} ${Math.floor(index / 4)}`)
    await place.put(texts, (text) => text.split(' ')[0] as string)
    const got: string[] = []
    const gates = new Map<string, () => void>()
    let most = 0
    let running = 0
    const news = new News()
    const worker = place.open({
      ...{ concurrency: { keysWithinShard: 3 }, handOffMs: 0, checkpoint: { everyMs: 5 } },
      handleRecord: async ({ data = '' }) => {
        running += 1
        most = Math.max(most, running)
        if (data === '0 0') await new Promise<void>((resolve) => gates.set(data, resolve))
        else await new Promise((resolve) => setImmediate(resolve))
        running -= 1
        got.push(data)
        news.tell()
      },
    })
    await using _ = worker
    // Everything but key 0, whose first record does not end.
    await news.until(() => got.length === 30)
    assert.ok(most > 1 && most <= 3, `${most} side by side`)
    for (const key of ['1', '2', '3']) {
      const numbers = got.filter((text) => text.startsWith(key)).map((text) => Number(text.split(' ')[1]))
      assert.deepEqual(
        numbers,
        [...numbers].sort((left, right) => left - right),
      )
    }
    await worker.close()
    assert.equal((await place.leases.checkpoints.load('c', place.name)).size, 0, 'the lowest is not done')
    gates.get('0 0')?.()
  })

  test('is kept by count, by time, and when its shard is given back, whichever comes first', async () => {
    await using place = await freshPlace()
    await place.put(numbered(12))
    const numbers: string[] = []
    const news = new News()
    const kept = async () => [...(await place.leases.checkpoints.load('c', place.name)).values()][0]?.sequenceNumber
    const untilKept = async (number: string | undefined) => {
      while ((await kept()) !== number) await settle()
    }
    const open = (checkpoint: { everyMs?: number; everyRecords?: number }) =>
      place.open({
        ...{ checkpoint, failoverMs: 3_600_000, batchRecords: 5 },
        handler: async (records) => {
          await settle() // what was to be kept of the batches before is
          numbers.push(...records.map(({ sequenceNumber }) => sequenceNumber))
          news.tell()
        },
      })
    const byCount = open({ everyRecords: 10, everyMs: 3_600_000 })
    await using _ = byCount
    await news.until(() => numbers.length === 12)
    await untilKept(numbers[9])
    await settle()
    assert.equal(await kept(), numbers[9], 'two are not enough')
    await byCount.close()
    assert.equal(await kept(), numbers[11])
    await place.put(numbered(3))
    await using byTime = open({ everyMs: 5 })
    await news.until(() => numbers.length === 15)
    await untilKept(numbers[14])
    assert.ok(byTime)
  })

  test('checkpoints by hand: nothing else counts', async () => {
    await using place = await freshPlace()
    await place.put(numbered(10))
    const news = new News()
    let isKept = false
    const worker = place.open({
      ...{ checkpoint: 'manual', batchRecords: 10 },
      handler: async (records, context) => {
        await context.checkpoint(records[3])
        isKept = true
        news.tell()
      },
    })
    await using _ = worker
    await news.until(() => isKept)
    await worker.close()
    const got: string[] = []
    await using again = place.open({
      handler: (records) => {
        got.push(...(dataOf(records) as string[]))
        news.tell()
      },
    })
    await news.until(() => got.length > 0)
    assert.deepEqual(got, numbered(6, 4))
    assert.ok(again)
  })

  test('a checkpoint that goes back, or names a record that was not given, is refused', async () => {
    await using place = await freshPlace()
    await place.put(numbered(10))
    const refusals: unknown[] = []
    const kept: HandlerContext<string>[] = []
    const first: StreamRecord<string>[] = []
    const news = new News()
    const refused = (promise: Promise<void>) =>
      promise.then(
        () => refusals.push('kept'),
        (error) => refusals.push(error),
      )
    const worker = place.open({
      ...{ checkpoint: 'manual', batchRecords: 5 },
      handler: async (records, context) => {
        kept.push(context)
        if (kept.length === 1) {
          first.push(...records)
          await context.checkpoint(records[4])
          await refused(context.checkpoint(records[1]))
          await refused(context.checkpoint({ sequenceNumber: '49' }))
        } else {
          await refused(context.checkpoint(first[0] as StreamRecord<string>))
          await context.checkpoint()
          await refused((kept[0] as HandlerContext<string>).checkpoint())
          news.tell()
        }
      },
    })
    await using _ = worker
    await news.until(() => refusals.length === 4)
    for (const refusal of refusals) assert.ok(refusal instanceof TritonCheckpointError, String(refusal))
    assert.match(String(refusals[0]), /never goes back/)
    assert.match(String(refusals[1]), /was not given to the handler/)
    await worker.close()
    await assert.rejects((kept[1] as HandlerContext<string>).checkpoint(), LeaseLostError)
  })

  test('that computes for long and waits for nothing leaves the event loop its turns', async () => {
    await using place = await freshPlace()
    await place.put(numbered(40))
    let turnCount = 0
    let isOver = false
    const turn = () => {
      turnCount += 1
      if (!isOver) setImmediate(turn)
    }
    turn()
    const turnsAtCalls: number[] = []
    const news = new News()
    await using _ = place.open({
      batchRecords: 10,
      handler: () => {
        for (const begunMs = performance.now(); performance.now() - begunMs < 30; );
        turnsAtCalls.push(turnCount)
        news.tell()
      },
    })
    await news.until(() => turnsAtCalls.length === 4)
    isOver = true
    assert.equal(new Set(turnsAtCalls).size, 4, `turns at the calls: ${turnsAtCalls}`)
  })

  test('that closes its worker still ends its batch, be it with or without a promise', async () => {
    for (const isPromised of [false, true]) {
      await using place = await freshPlace()
      await place.put(numbered(20))
      const closed: Promise<void>[] = []
      let begun = () => {}
      const began = new Promise<void>((resolve) => {
        begun = resolve
      })
      const worker = place.open({
        batchRecords: 5,
        handler: () => {
          closed.push(worker.close())
          begun()
          return isPromised ? settle() : undefined
        },
      })
      await using _ = worker
      await began
      await Promise.all(closed)
      assert.equal(closed.length, 1)
      const got: (string | undefined)[] = []
      const news = new News()
      await using again = place.open({
        handler: (records) => {
          got.push(...dataOf(records))
          news.tell()
        },
      })
      await news.until(() => got.length === 15)
      assert.deepEqual(got, numbered(15, 5))
      assert.ok(again)
    }
  })

  test('that never returns is cut off when its shard is to be given back, and its record comes again', async () => {
    await using place = await freshPlace()
    await place.put(['stuck'])
    const news = new News()
    let context: HandlerContext<string> | undefined
    const worker = place.open({
      handOffMs: 20,
      handler: (_, given) => {
        context = given
        news.tell()
        return new Promise(() => {})
      },
    })
    await using _ = worker
    await news.until(() => context !== undefined)
    await worker.close()
    assert.equal(context?.signal.aborted, true)
    const got: string[] = []
    await using again = place.open({
      handler: (records) => {
        got.push(...(dataOf(records) as string[]))
        news.tell()
      },
    })
    await news.until(() => got.length > 0)
    assert.deepEqual(got, ['stuck'])
    assert.ok(again)
  })

  test('hears by its signal that the lease was taken, and can keep nothing under it', async () => {
    await using place = await freshPlace()
    await place.put(['taken'])
    const refusals: unknown[] = []
    let context: HandlerContext<string> | undefined
    const news = new News()
    const worker = place.open({
      failoverMs: 2_000,
      handler: async (_, given) => {
        if (context !== undefined) return // it comes again: the shard is free, and nobody else is there
        context = given
        news.tell()
        await new Promise<void>((resolve) => given.signal.addEventListener('abort', () => resolve()))
        await given.checkpoint().catch((error: unknown) => refusals.push(given.signal.reason, error))
        news.tell()
      },
    })
    await using _ = worker
    await news.until(() => context !== undefined)
    const seizure = { store: place.leases, client: 'c', stream: place.name, by: 'somebody else' }
    assert.equal(await releaseShard(seizure, 'shardId-000000000000'), worker.owner)
    await news.until(() => refusals.length === 2)
    for (const refusal of refusals) assert.ok(refusal instanceof LeaseLostError, String(refusal))
  })

  test('that is cut off can keep nothing any more, also while the lease is not given back yet', async () => {
    await using place = await freshPlace()
    await place.put(['late'])
    let outcome: unknown
    let isInside = false
    const news = new News()
    const worker = place.open({
      handOffMs: 5,
      handler: async (_, context) => {
        isInside = true
        news.tell()
        await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()))
        outcome = await context.checkpoint().then(
          () => 'kept',
          (error: unknown) => error,
        )
        news.tell()
      },
    })
    await using _ = worker
    await news.until(() => isInside)
    await worker.close()
    await news.until(() => outcome !== undefined)
    assert.match(String(outcome), /time is up|given back/)
    assert.equal((await place.leases.checkpoints.load('c', place.name)).size, 0)
  })

  test('no more shards are handled at the same time than was asked for', async () => {
    await using place = await freshPlace(6)
    await place.put(numbered(60), (text) => text)
    let running = 0
    let handledCount = 0
    const news = new News()
    let open = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    using heard = new Heard()
    await using _ = place.open({
      concurrency: { shards: 2 },
      handler: async (records) => {
        running += 1
        news.tell()
        await gate
        handledCount += records.length
        news.tell()
      },
    })
    await news.until(() => running === 2)
    await heard.until(() => heard.of('page-read').filter(({ recordCount }) => recordCount > 0).length >= 3)
    await settle()
    assert.equal(running, 2)
    open()
    await news.until(() => handledCount === 60)
  })
})

test('shards that stand do not hold up the others, however little may be prefetched and run at once', async () => {
  await using place = await freshPlace(4)
  const keys = Array.from({ length: 40 }, (_, index) => `key-${index}`)
  const shardOf = new Map<string, string>()
  for (const key of keys) shardOf.set(key, (await place.stream.put('first', { partitionKey: key })).shardId)
  const good = 'shardId-000000000003'
  const bulk = 'x'.repeat(20_000)
  await place.put(
    keys.map((key) => `${key} ${bulk}`),
    (text) => text.split(' ')[0] as string,
  )
  using heard = new Heard()
  let goodCount = 0
  await using _ = place.open({
    ...{ concurrency: { shards: 1 }, prefetchBytes: 100_000, retries: 0, stoppedRetryMs: 60_000 },
    handler: (records, { shardId }) => {
      if (shardId !== good) throw new Error('no')
      goodCount += records.length
    },
  })
  const expected = 2 * [...shardOf.values()].filter((shardId) => shardId === good).length
  await heard.until(() => goodCount === expected)
  await heard.until(() => new Set(heard.of('shard-stopped').map(({ shardId }) => shardId)).size === 3)
})

describe('a group starts', () => {
  const readFrom = async (startFrom: 'oldest' | 'latest' | Date) => {
    await using place = await freshPlace()
    await place.put(['early'])
    const got: string[] = []
    using heard = new Heard()
    const worker = place.open({
      startFrom,
      handler: (records) => void got.push(...(dataOf(records) as string[])),
    })
    await heard.until(() => heard.of('shard-started').length > 0)
    await heard.until(() => heard.of('page-read').length > 1)
    await place.put(['late'])
    await heard.until(() => got.includes('late'))
    await worker.close()
    return got
  }

  test('at the oldest record by default', async () => {
    assert.deepEqual(await readFrom('oldest'), ['early', 'late'])
  })

  test('at latest: what comes after the first start, also when nothing was kept before a crash', async () => {
    await using place = await freshPlace()
    await place.put(['early'])
    const putMs = Date.now()
    while (Date.now() <= putMs) await settle() // the start is kept as a time: it must be a later one
    using heard = new Heard()
    const crashing = place.open({ startFrom: 'latest', checkpoint: 'manual', handler: () => {} })
    await using __ = crashing
    await heard.until(() => heard.of('shard-started').length > 0)
    await crashing.close()
    assert.equal((await place.leases.checkpoints.load('c', place.name)).size, 0)
    await place.put(['while nobody worked'])
    const got: string[] = []
    const news = new News()
    await using _ = place.open({
      startFrom: 'latest',
      handler: (records) => {
        got.push(...(dataOf(records) as string[]))
        news.tell()
      },
    })
    await news.until(() => got.length > 0)
    assert.deepEqual(got, ['while nobody worked'])
  })

  test('at a time', async () => {
    assert.deepEqual(await readFrom(new Date(Date.now() - 3_600_000)), ['early', 'late'])
  })
})

test('options that no worker can have are refused before anything begins', async () => {
  await using place = await freshPlace()
  const handler = () => {}
  // What no compiler saw.
  const wrongTypes: [object, RegExp][] = [
    [{ handler: 'handle' }, /option handler is "handle"; it takes a function/],
    [{ failoverMs: '5000' }, /option failoverMs is "5000"; it takes a number, 200 or more/],
    [{ startFrom: 'newest' }, /option startFrom is "newest"; it takes "oldest", "latest"/],
    [{ onFailure: 'dead-letter' }, /option onFailure is "dead-letter"; it takes .* a place for dead letters/],
    [{ onFailure: null }, /option onFailure is null/],
    [{ checkpoint: 'auto' }, /option checkpoint is "auto"; it takes "manual" or an object/],
    [{ concurrency: 4 }, /option concurrency is 4; it takes an object/],
    [{ workerId: 7 }, /option workerId is 7; it takes a text/],
  ]
  const wrong: [Partial<CreateWorkerOptions<string>>, RegExp][] = [
    [{}, /either the option handler or the option handleRecord/],
    [{ handler, handleRecord: handler }, /either the option handler or the option handleRecord/],
    [{ handler, startFrom: new Date(Number.NaN) }, /option startFrom is Invalid Date; it takes .* a valid Date/],
    [{ handler, failoverMs: 10 }, /failoverMs is 10/],
    [{ handler, concurrency: { keysWithinShard: 0 } }, /option concurrency.keysWithinShard is 0/],
    [{ handler, concurrency: { shards: 0 } }, /option concurrency.shards is 0; it takes a whole number, 1 or more/],
    [{ handler, checkpoint: { everyMs: 0 } }, /option checkpoint.everyMs is 0/],
    [{ handler, checkpoint: { everyRecords: -1 } }, /option checkpoint.everyRecords is -1/],
    [{ handler, idlePollMs: -1 }, /option idlePollMs is -1; it takes a number, 0 or more/],
    [{ handler, batchRecords: Number.NaN }, /batchRecords is NaN/],
    [{ handler, batchRecords: 1.5 }, /option batchRecords is 1.5; it takes a whole number, 1 or more/],
    [{ handler, failoverMs: Number.POSITIVE_INFINITY }, /failoverMs is Infinity/],
    [{ handler, workerId: 'x'.repeat(300) }, /option workerId is "x+"; it takes a text of at most 200 characters/],
    ...wrongTypes.map(([options, why]): [Partial<CreateWorkerOptions<string>>, RegExp] => [
      { ...('handler' in options ? {} : { handler }), ...(options as Partial<CreateWorkerOptions<string>>) },
      why,
    ]),
  ]
  for (const [options, why] of wrong) {
    assert.throws(
      () => place.open(options),
      (error) => error instanceof ConfigError && why.test(error.message),
    )
  }
})

test('a closed stream ends its workers, which give their shards back', async () => {
  const place = await freshPlace(2)
  using heard = new Heard()
  const worker = place.open({ handler: () => {} })
  await heard.until(() => worker.shardIds.length === 2)
  await (place.stream as Stream<string>).close()
  await worker.close()
  const leases = await place.leases.list('c', place.name)
  assert.deepEqual(new Set(leases.map(({ owner }) => owner)), new Set(['']))
})

test('what no worker can be made of is refused with the right form', () => {
  const make = (options: object) => () => createWorker(options as CreateWorkerOptions<string>)
  assert.throws(make({ handler: () => {} }), /option stream is not what getStream answers/)
  const stream = { openWorker: () => {} }
  for (const leases of [null, 7, { load: () => {} }]) {
    assert.throws(make({ stream, leases, handler: () => {} }), /option leases is not an address such as sqlite:/)
  }
})
