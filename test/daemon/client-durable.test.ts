import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseConfig } from '../../src/config.ts'
import { DurablePutError } from '../../src/daemon/durable-put-error.ts'
import type { NonblockingStreamOptions } from '../../src/daemon/nonblocking-options.ts'
import { getNonblockingStream } from '../../src/daemon/nonblocking-stream.ts'
import { observe } from '../../src/diagnostics.ts'
import { ClosedError, RecordError } from '../../src/errors.ts'
import { freePort } from '../support/free-port.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { CatchingRouter } from './catching-sockets.ts'

const config = parseConfig('orders:\n  name: orders_v2\n  partition_key: id\n', 'client-durable.test.ts')
const kept = () => []

function open(durablePort: number, options: NonblockingStreamOptions = {}) {
  return getNonblockingStream('orders', config, { port: 1, durablePort, ...options })
}

const ids = (count: number) => Array.from({ length: count }, (_, n) => ({ id: `k${n}` }))

describe('putDurable', () => {
  test('resolves when the daemon has answered, and not before', async () => {
    let answer: (() => void) | undefined
    using router = await CatchingRouter.listen(kept, {
      before: () =>
        new Promise((resolve) => {
          answer = resolve
        }),
    })
    await using stream = open(router.port)
    let isResolved = false
    const put = stream.putDurable({ id: 'clé', n: 1 }).then(() => {
      isResolved = true
    })
    while (answer === undefined) await turn()
    assert.equal(isResolved, false)
    answer()
    await put
    const [record] = router.puts[0]?.records ?? []
    assert.deepEqual([record?.streamName, record?.partitionKey], ['orders', 'clé'])
    assert.deepEqual(record?.body.toString('latin1'), '\x82\xa2id\xa4cl\xc3\xa9\xa1n\x01')
  })

  test('sends what is put in one turn as one batch, in order, and no batch of more than 1,000', async () => {
    using router = await CatchingRouter.listen(kept)
    await using stream = open(router.port)
    const records = ids(2500)
    await Promise.all(records.map((record) => stream.putDurable(record)))
    assert.deepEqual(
      router.puts.map(({ records }) => records.length),
      [1000, 1000, 500],
    )
    assert.deepEqual(
      router.keys,
      records.map(({ id }) => id),
    )
  })

  test('sends a batch before it is larger than 1 MiB', async () => {
    using router = await CatchingRouter.listen(kept)
    await using stream = open(router.port)
    const text = 'x'.repeat(400_000)
    await Promise.all(ids(5).map((record) => stream.putDurable({ ...record, text })))
    assert.deepEqual(
      router.puts.map(({ records }) => records.length),
      [2, 2, 1],
    )
  })

  test('rejects the records that the daemon refused, with its reason, and no others', async () => {
    using router = await CatchingRouter.listen(() => [
      { index: 1, reason: 'unknown-stream', text: 'no such stream' },
      { index: 2, reason: 'spool-full', text: 'its share is taken' },
      { index: 3, reason: 'spool-failed', text: 'no space left' },
    ])
    await using stream = open(router.port)
    const outcomes = await Promise.allSettled(ids(5).map((record) => stream.putDurable(record)))
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status),
      ['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled'],
    )
    const [unknown, full, failed] = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason] : [],
    )
    assert.ok(unknown instanceof DurablePutError && full instanceof DurablePutError)
    assert.deepEqual([unknown.reason, unknown.retryable, unknown.mayHaveBeenKept], ['unknown-stream', false, false])
    assert.deepEqual([full.reason, full.retryable, full.mayHaveBeenKept], ['spool-full', true, false])
    assert.deepEqual([failed.reason, failed.retryable, failed.mayHaveBeenKept], ['spool-failed', true, true])
    assert.match(unknown.message, /127\.0\.0\.1:\d+ did not keep a record of stream "orders" .*: no such stream/)
  })

  test('rejects every record when the daemon has no spool', async () => {
    using router = await CatchingRouter.listen(() => [{ index: 'all', reason: 'no-spool', text: 'none' }])
    await using stream = open(router.port)
    const outcomes = await Promise.allSettled(ids(3).map((record) => stream.putDurable(record)))
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status === 'rejected' && (outcome.reason as DurablePutError).reason),
      ['no-spool', 'no-spool', 'no-spool'],
    )
  })

  test('rejects what cannot be written, before anything is sent', async () => {
    await using stream = getNonblockingStream<unknown>('orders', config, { port: 1 })
    await assert.rejects(stream.putDurable({ id: 'k', f() {} }), TypeError)
    await assert.rejects(stream.putDurable({ n: 1 }), RecordError)
    await assert.rejects(stream.putDurable({ id: 'k', big: Buffer.alloc(10 * 1024 * 1024) }), RecordError)
  })

  test('keeps batches few: what comes while four are under way makes the next ones larger', async () => {
    const waiting: (() => void)[] = []
    using router = await CatchingRouter.listen(kept, {
      before: () => new Promise((resolve) => waiting.push(resolve)),
    })
    await using stream = open(router.port)
    const puts: Promise<void>[] = []
    for (const record of ids(20)) {
      puts.push(stream.putDurable(record))
      await turn()
    }
    const all = Promise.all(puts)
    let isDone = false
    void all.then(() => {
      isDone = true
    })
    while (!isDone) {
      waiting.shift()?.()
      await turn()
    }
    assert.ok(router.puts.length <= 6, `${router.puts.length} batches for 20 records`)
    assert.deepEqual(
      router.keys,
      ids(20).map(({ id }) => id),
    )
  })
})

describe('putDurable, when the daemon', () => {
  test('starts later, waits for it', async () => {
    const port = await freePort()
    await using stream = open(port)
    const put = stream.putDurable({ id: 'k' })
    using router = await CatchingRouter.listen(kept, { port })
    await put
    assert.deepEqual(router.keys, ['k'])
  })

  test('dies before it answers, sends again to the next one', async () => {
    let resentCount = 0
    const stop = observe((news) => {
      if (news.type === 'durable-resent') resentCount += news.recordCount
    })
    const port = await freePort()
    await using stream = open(port)
    const puts = Promise.all(ids(3).map((record) => stream.putDurable(record)))
    {
      using mute = await CatchingRouter.listen(() => undefined, { port })
      while (mute.puts.length === 0) await turn()
    }
    using router = await CatchingRouter.listen(kept, { port })
    await puts
    stop()
    assert.deepEqual(router.keys, ['k0', 'k1', 'k2'])
    assert.equal(resentCount, 3)
  })

  test('forgets to answer, sends again after 10 s under the same number', async () => {
    const clock = new ManualClock()
    using router = await CatchingRouter.listen((_, index) => (index === 0 ? undefined : []))
    await using stream = open(router.port, { clock })
    const put = stream.putDurable({ id: 'k' })
    while (router.puts.length === 0) await turn()
    await clock.advance(9_900)
    assert.equal(router.puts.length, 1)
    await clock.advance(200)
    await put
    assert.deepEqual(
      router.puts.map(({ batchNumber }) => batchNumber),
      [1, 1],
    )
  })

  test('is not there, rejects after its time, and sends nothing to one that comes later', async () => {
    const clock = new ManualClock()
    const port = await freePort()
    await using stream = open(port, { clock, durableTimeoutMs: 5_000 })
    const late = stream.putDurable({ id: 'late' })
    const rejected = assert.rejects(late, (error) => {
      assert.ok(error instanceof DurablePutError)
      assert.deepEqual([error.reason, error.retryable, error.mayHaveBeenKept], ['no-answer', true, false])
      assert.match(error.message, /could not be reached within 5000 ms/)
      return true
    })
    await clock.advance(5_000)
    await rejected
    using router = await CatchingRouter.listen(kept, { port })
    await stream.putDurable({ id: 'next' })
    assert.deepEqual(router.keys, ['next'])
  })

  test('does not answer, rejects after its time, and says that the record may be kept', async () => {
    const clock = new ManualClock()
    using router = await CatchingRouter.listen(() => undefined)
    await using stream = open(router.port, { clock, durableTimeoutMs: 5_000, lingerMs: 0 })
    const put = stream.putDurable({ id: 'k' })
    const rejected = assert.rejects(put, (error) => {
      assert.ok(error instanceof DurablePutError)
      assert.deepEqual([error.reason, error.mayHaveBeenKept], ['no-answer', true])
      return true
    })
    while (router.puts.length === 0) await turn()
    await clock.advance(5_000)
    await rejected
  })

  test('is away for long, refuses what is more than the queue holds', async () => {
    const stream = open(1, { highWaterMark: 2, lingerMs: 0 })
    const puts = ids(3).map((record) => stream.putDurable(record))
    const settled = Promise.allSettled(puts)
    await assert.rejects(puts[2] as Promise<void>, (error) => {
      assert.ok(error instanceof DurablePutError)
      assert.deepEqual([error.reason, error.retryable], ['queue-full', true])
      return true
    })
    await stream.close()
    const outcomes = await settled
    assert.ok(outcomes.every((outcome) => outcome.status === 'rejected'))
    assert.ok(outcomes[0]?.status === 'rejected' && outcomes[0].reason instanceof ClosedError)
  })
})

describe('close', () => {
  test('waits for the answers', async () => {
    using router = await CatchingRouter.listen(kept)
    const stream = open(router.port)
    const puts = Promise.all(ids(10).map((record) => stream.putDurable(record)))
    await stream.close()
    await puts
    await assert.rejects(stream.putDurable({ id: 'k' }), ClosedError)
  })

  test('rejects what has no answer after its time', async () => {
    const clock = new ManualClock()
    using router = await CatchingRouter.listen(() => undefined)
    const stream = open(router.port, { clock })
    const rejected = assert.rejects(stream.putDurable({ id: 'k' }), (error) => {
      assert.ok(error instanceof ClosedError)
      assert.match(error.message, /may be in its spool/)
      return true
    })
    while (router.puts.length === 0) await turn()
    const closing = stream.close()
    while (clock.waiting < 2) await turn()
    await clock.advance(3_000)
    await closing
    await rejected
    assert.equal(clock.waiting, 0)
  })
})

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
