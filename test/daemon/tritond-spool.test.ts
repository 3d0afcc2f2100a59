import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Dealer } from 'zeromq'
import { systemClock } from '../../src/clock.ts'
import { loadConfig } from '../../src/config.ts'
import { encodeHeader } from '../../src/daemon/message-frames.ts'
import { getNonblockingStream } from '../../src/daemon/nonblocking-stream.ts'
import { SkipCounter } from '../../src/daemon/skip-counter.ts'
import { Spool } from '../../src/daemon/spool.ts'
import { StreamLanes } from '../../src/daemon/stream-lanes.ts'
import type { Tritond } from '../../src/daemon/tritond.ts'
import { realName, streamName, TritondPlace } from '../support/tritond.ts'

describe('records in the spool', () => {
  test('go to Kinesis, and nothing of them waits afterwards', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start(spoolOf(place))
    await pushNumbers(place, daemon, 0, 1_500)
    assert.deepEqual(numbers(await place.records(1_500)), range(0, 1_500))
    assert.deepEqual(await daemon.stop(), { lostCount: 0 })
    assert.deepEqual(
      (await waiting(place)).map(({ recordCount }) => recordCount),
      [0],
    )
  })

  test('outlive a daemon whose Kinesis is down, and are sent in order by the next', async () => {
    await using place = await TritondPlace.open()
    place.writeConfig({ [streamName]: realName }, [streamName])
    const first = await place.start(spoolOf(place))
    await pushNumbers(place, first, 0, 1_200)
    while (first.waitingCount < 1_200) await new Promise(setImmediate)
    assert.deepEqual(await first.stop(0), { lostCount: 0 })
    assert.deepEqual(await waiting(place).then(([stream]) => stream?.recordCount), 1_200)
    place.writeConfig()
    await place.start(spoolOf(place))
    assert.deepEqual(numbers(await place.records(1_200)), range(0, 1_200))
  })

  test('of a stream that the configuration drops wait until it is there again', async () => {
    await using place = await TritondPlace.open()
    place.writeConfig({ [streamName]: realName }, [streamName])
    const daemon = await place.start(spoolOf(place))
    await pushNumbers(place, daemon, 0, 10)
    while (daemon.waitingCount < 10) await new Promise(setImmediate)
    place.writeConfig({ other: realName })
    while (daemon.waitingCount > 0) await new Promise(setImmediate)
    place.writeConfig()
    assert.deepEqual(numbers(await place.records(10)), range(0, 10))
  })

  test('of a new stream are taken although the spool of another new one cannot be opened', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start(spoolOf(place))
    writeFileSync(join(place.directory, 'spool', 'streams', 'barred'), 'a file where its directory should be')
    place.writeConfig({ [streamName]: realName, barred: realName, fresh: realName })
    await place.until(() => place.news.some(({ type }) => type === 'config-failed'))
    await place.push(daemon.endpoint).send([encodeHeader('fresh', 'k'), 'taken'])
    assert.deepEqual(
      (await place.records(1, realName, 'fresh')).map(({ bytes }) => String(bytes)),
      ['taken'],
    )
  })

  test('that are damaged are told of and kept aside; the others are sent', async () => {
    await using place = await TritondPlace.open()
    place.writeConfig({ [streamName]: realName }, [streamName])
    const first = await place.start({ ...spoolOf(place), spoolMaxBytes: 64 * 1024 * 1024 })
    const push = place.push(first.endpoint)
    // Four segments of 8 MiB and one that is not full.
    for (let n = 0; n < 70; n++) await push.send([encodeHeader(streamName, 'k'), Buffer.alloc(500_000, n)])
    while (first.waitingCount < 70) await new Promise(setImmediate)
    await first.stop(0)
    const dir = join(place.directory, 'spool/streams', streamName)
    const segments = readdirSync(dir)
      .filter((name) => name.endsWith('.segment'))
      .sort()
    const path = join(dir, segments[0] ?? '')
    const bytes = readFileSync(path)
    bytes[1_000_000] = (bytes[1_000_000] ?? 0) ^ 1
    writeFileSync(path, bytes)
    place.writeConfig()
    await place.start({ ...spoolOf(place), spoolMaxBytes: 64 * 1024 * 1024 })
    await place.until(() => place.sentCount() === 69)
    await place.until(() => place.news.some(({ type }) => type === 'damage-kept'))
    assert.equal(readdirSync(join(place.directory, 'spool/damaged')).length, 1)
    const told = place.news.flatMap((news) => (news.type === 'spool-damaged' ? [news.recordCount] : []))
    assert.deepEqual(told, [1])
  })

  test('that Kinesis will never take are set aside with their reasons, and hold nobody up', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start(spoolOf(place))
    const push = place.push(daemon.endpoint)
    await push.send([encodeHeader(streamName, 'large'), Buffer.alloc(2 * 1024 * 1024, 'x')])
    await push.send([encodeHeader(streamName, 'small'), 'small'])
    assert.deepEqual(
      (await place.records(1)).map(({ partitionKey }) => partitionKey),
      ['small'],
    )
    await place.until(() => place.news.some(({ type }) => type === 'records-refused'))
    const refused = join(place.directory, 'spool/refused')
    const [index = '', bodies = ''] = readdirSync(refused).sort()
    assert.match(index, /^user_activity-\d+-1\.jsonl$/)
    const line = JSON.parse(readFileSync(join(refused, index), 'utf8'))
    assert.deepEqual(
      { ...line, refusedAtMs: 0, reason: '' },
      {
        offset: 0,
        length: 2 * 1024 * 1024,
        stream: streamName,
        partitionKey: 'large',
        refusedAtMs: 0,
        code: 'TRITON_RECORD',
        reason: '',
      },
    )
    assert.match(line.reason, /larger than/)
    assert.equal(readFileSync(join(refused, bodies)).subarray(0, 10).toString('hex'), 'ff060000734e61507059')
  })
})

test('a spool has room for what it takes on the disk, however many small records that are', async () => {
  await using place = await TritondPlace.open()
  place.writeConfig({ [streamName]: realName }, [streamName])
  const skips = new SkipCounter(systemClock)
  const maxBytes = 200_000
  const spool = await Spool.open({
    dir: join(place.directory, 'spool'),
    sync: 'interval',
    maxBytes,
    flushMs: 10,
    clock: systemClock,
  })
  const lanes = new StreamLanes({
    limitBytes: maxBytes,
    recordTtlMs: Number.POSITIVE_INFINITY,
    windowChunks: 1,
    finishMs: 0,
    openQueue: (name, count, onRoom) => spool.openQueue(name, count, onRoom),
    onFinished: () => spool.close(),
    producer: {},
    skips,
    clock: systemClock,
  })
  await lanes.configure(loadConfig(place.config))
  // In memory each takes half a kilobyte more, until the disk has it.
  for (let n = 0; n < 2_000; n++) {
    assert.equal(lanes.take({ streamName, partitionKey: 'k', body: Buffer.from('x'), isKeyRepaired: false }), undefined)
    if (n % 50 === 0) await new Promise(setImmediate)
  }
  await lanes.finish(AbortSignal.abort())
  assert.deepEqual([skips.total, lanes.acceptedCount], [0, 2_000])
})

describe('putDurable', () => {
  test('resolves when the record is in the spool, whether Kinesis is there or not', async () => {
    await using place = await TritondPlace.open()
    place.writeConfig({ [streamName]: realName }, [streamName])
    const daemon = await place.start({ ...spoolOf(place), sync: 'always' })
    await using client = clientOf(place, daemon)
    await Promise.all(range(0, 300).map((n) => client.putDurable({ id: 'k', n })))
    assert.equal(daemon.waitingCount, 300)
  })

  test('rejects with the reason that the daemon gives', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start(spoolOf(place))
    await using client = clientOf(place, daemon)
    place.writeConfig({ other: realName })
    await place.until(() => place.news.filter(({ type }) => type === 'config-read').length === 2)
    await assert.rejects(client.putDurable({ id: 'k' }), /no stream "user_activity" among the \d of triton.yaml/)
  })

  test('is heard at a port where whatever else comes is counted and skipped', async (t) => {
    await using place = await TritondPlace.open()
    const daemon = await place.start(spoolOf(place))
    const dealer = new Dealer({ linger: 0 })
    t.after(() => dealer.close())
    dealer.connect(daemon.durableEndpoint ?? '')
    await dealer.send('no put')
    await dealer.send(['two', 'frames'])
    await place.skipped('not-durable-put', 2)
    await using client = clientOf(place, daemon)
    await client.putDurable({ id: 'k' })
  })

  test('rejects when the daemon keeps records in memory only', async () => {
    await using place = await TritondPlace.open()
    await using client = clientOf(place, await place.start())
    await assert.rejects(client.putDurable({ id: 'k' }), /--spool/)
  })
})

describe('a spool directory', () => {
  test('belongs to one daemon at a time', async () => {
    await using place = await TritondPlace.open()
    const first = await place.start(spoolOf(place))
    await assert.rejects(place.start(spoolOf(place)), {
      code: 'TRITON_STORAGE',
      message: /another tritond works in .*tells itself what waits there/,
    })
    await first.stop()
    await place.start(spoolOf(place))
  })

  test('that cannot be made is an error that says so', async () => {
    await using place = await TritondPlace.open()
    await assert.rejects(place.start({ spoolDir: join(place.config, 'spool') }), {
      code: 'TRITON_STORAGE',
      message: /cannot make the spool directory/,
    })
  })
})

function spoolOf(place: TritondPlace) {
  return { spoolDir: join(place.directory, 'spool') }
}

async function waiting(place: TritondPlace) {
  const dir = join(place.directory, 'spool')
  const spool = await Spool.open({ dir, sync: 'interval', maxBytes: 1e9, flushMs: 0, clock: systemClock })
  try {
    return await spool.check()
  } finally {
    spool.close()
  }
}

async function pushNumbers(place: TritondPlace, daemon: Tritond, from: number, to: number): Promise<void> {
  const push = place.push(daemon.endpoint)
  for (let n = from; n < to; n++) await push.send([encodeHeader(streamName, 'k'), String(n)])
}

function clientOf(place: TritondPlace, daemon: Tritond) {
  const portOf = (endpoint: string | undefined) => Number(endpoint?.split(':').at(-1))
  return getNonblockingStream(streamName, loadConfig(place.config), {
    port: portOf(daemon.endpoint),
    durablePort: portOf(daemon.durableEndpoint),
  })
}

function numbers(records: readonly { bytes: Uint8Array }[]): number[] {
  return records.map(({ bytes }) => Number(Buffer.from(bytes).toString()))
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at)
}
