import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkCaller, checkIsLocal } from '../../../src/local/console/check-caller.ts'
import { MovableClock } from '../../../src/local/index.ts'
import type { ApiRequest } from '../../../src/local/wire/answer-request.ts'
import { startTestEngine } from '../../support/engine.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { subscribe } from '../event-stream-client.ts'
import { ask, call, jsonWire, send, type WireRequest } from '../wire-client.ts'

/** What is under /_triton for machines: health for all, faults and time for tests. */
const S = { StreamName: 's' }
const streams = [{ name: 's', shardCount: 1 }]
const dayMs = 24 * 3_600_000
const json = { 'content-type': 'application/json' }

/** An engine that takes orders, on a clock that moves with orders only. */
async function startControlled() {
  const engine = await startTestEngine({ testControls: true, streams, clock: new ManualClock() })
  const order = (what: string, body: unknown, headers: WireRequest['headers'] = json) =>
    send(engine.endpoint, {
      path: `/_triton/${what}`,
      headers,
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  const put = () => call(engine.endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: Buffer.from('x') })
  const iterator = async () => {
    const start = { ...S, ShardId: '0', ShardIteratorType: 'TRIM_HORIZON' }
    return (await ask(engine.endpoint, 'GetShardIterator', start)).ShardIterator
  }
  return { engine, order, put, iterator, [Symbol.asyncDispose]: () => engine.close() }
}

describe('GET /_triton/health', () => {
  test('says that the engine serves, without any controls', async () => {
    await using engine = await startTestEngine({ streams, clock: new ManualClock(), region: 'eu-west-1' })
    const { status, headers, body } = await send(engine.endpoint, { method: 'GET', path: '/_triton/health' })
    assert.equal(status, 200)
    assert.equal(headers['content-type'], 'application/json; charset=utf-8')
    assert.deepEqual(body, {
      status: 'ok',
      account: '000000000000',
      region: 'eu-west-1',
      streams: 1,
      openShards: 1,
      now: '2026-01-01T00:00:00.000Z',
    })
    const head = await send(engine.endpoint, { method: 'HEAD', path: '/_triton/health' })
    assert.deepEqual([head.status, head.bytes.length], [200, 0])
  })
})

describe('an engine with test controls', () => {
  test('misbehaves by the rules that POST /_triton/faults gives it, and stops when they end', async () => {
    await using it = await startControlled()
    const rules = [{ action: 'throttle', operation: 'PutRecord', count: 2 }]
    const { status, body } = await it.order('faults', { rules, seed: 7 })
    assert.deepEqual([status, body], [200, { rules: 1, seed: 7 }])
    assert.deepEqual([(await it.put()).status, (await it.put()).status, (await it.put()).status], [400, 400, 200])
    await it.order('faults', { rules: [{ action: 'internal-failure' }] })
    assert.equal((await it.put()).status, 500)
    await it.order('faults', { rules: [] })
    assert.equal((await it.put()).status, 200)
  })

  test('ages a stream by a day, expires iterators and ends subscriptions when POST /_triton/clock says so', async () => {
    await using it = await startControlled()
    const { endpoint } = it.engine
    await it.put()
    const ShardIterator = await it.iterator()
    const StreamARN = 'arn:aws:kinesis:us-east-1:000000000000:stream/s'
    const { Consumer } = await ask(endpoint, 'RegisterStreamConsumer', { StreamARN, ConsumerName: 'c' })
    const position = { ConsumerARN: Consumer.ConsumerARN, ShardId: '0', StartingPosition: { Type: 'LATEST' } }
    const subscription = await subscribe(endpoint, position, jsonWire)

    const moved = await it.order('clock', { advanceMs: 300_001 })
    assert.deepEqual(moved.body, { now: '2026-01-01T00:05:00.001Z', offsetMs: 300_001 })
    const expired = await call(endpoint, 'GetRecords', { ShardIterator })
    assert.equal(expired.body.__type, 'ExpiredIteratorException')
    let messageCount = 0
    while ((await subscription.next()) !== undefined) messageCount++
    assert.ok(messageCount > 0, 'the subscription has ended by itself')
    assert.equal((await ask(endpoint, 'GetRecords', { ShardIterator: await it.iterator() })).Records.length, 1)

    await it.order('clock', { advanceMs: dayMs })
    assert.equal((await ask(endpoint, 'GetRecords', { ShardIterator: await it.iterator() })).Records.length, 0)
  })

  test('says what is wrong with an order, and then nothing has changed', async () => {
    await using it = await startControlled()
    const wrong: [string, unknown, RegExp][] = [
      ['faults', '', /no JSON/],
      ['faults', '[]', /must be an object with rules and seed/],
      ['faults', {}, /Say in `rules`/],
      ['faults', { rules: 'none' }, /Say in `rules`/],
      ['faults', { rules: [], seeds: 1 }, /has a member 'seeds'. Known are rules and seed/],
      ['faults', { rules: [], seed: 'x' }, /`seed` must be a whole number/],
      ['faults', { rules: [{ action: 'explode' }] }, /the action 'explode': known are throttle/],
      ['clock', {}, /Say in `advanceMs`/],
      ['clock', { advanceMs: -1 }, /Say in `advanceMs`/],
      ['clock', { advanceMs: '1' }, /Say in `advanceMs`/],
      ['clock', { advanceMs: 1e300 }, /Say in `advanceMs`/],
      ['clock', '{"advanceMs": NaN}', /no JSON/],
    ]
    for (const [what, body, message] of wrong) {
      const answer = await it.order(what, body)
      assert.equal(answer.status, 400, JSON.stringify(body))
      assert.match(errorIn(answer.body), message)
    }
    const unlabelled = await it.order('clock', '{"advanceMs":1}', { 'content-type': 'text/plain' })
    assert.equal(unlabelled.status, 415)
    const { now } = (await send(it.engine.endpoint, { method: 'GET', path: '/_triton/health' })).body as unknown as {
      now: string
    }
    assert.equal(now, '2026-01-01T00:00:00.000Z')
    assert.equal((await it.put()).status, 200)
  })
})

describe('what is under /_triton', () => {
  test('takes no orders unless the engine was started for tests', async () => {
    await using engine = await startTestEngine()
    for (const [path, body] of [
      ['/_triton/faults', '{"rules":[{"action":"throttle"}]}'],
      ['/_triton/clock', '{"advanceMs":1}'],
    ]) {
      const answer = await send(engine.endpoint, { path: path as string, headers: json, body: body as string })
      assert.equal(answer.status, 403)
      assert.match(errorIn(answer.body), /start it with --test-controls/)
    }
    assert.equal((await call(engine.endpoint, 'ListStreams', {})).status, 200)
  })

  test('never answers with CORS headers, to a foreign Host or to a page of another site', async () => {
    await using it = await startControlled()
    const { endpoint, port } = it.engine
    const own = `127.0.0.1:${port}`
    const get = (headers: Record<string, string>, method = 'GET') =>
      send(endpoint, { method, path: '/_triton/health', headers })
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', '10.0.0.1', '[::1', 'a b'])
      assert.equal((await get({ host })).status, 403, host)
    for (const host of ['localhost', `LOCALHOST:${port}`, own, '127.0.0.2', '[::1]:80'])
      assert.equal((await get({ host })).status, 200, host)
    for (const origin of ['https://evil.example', 'null', `http://127.0.0.1:${port + 1}`, 'http://localhost'])
      assert.equal((await get({ origin })).status, 403, origin)
    const overHttp2 = (authority: string) =>
      send(endpoint, { method: 'GET', path: '/_triton/health', headers: { ':authority': authority }, isHttp2: true })
    assert.equal((await overHttp2(own)).status, 200)
    assert.equal((await overHttp2('evil.example')).status, 403)
    const answers = [
      await get({ origin: `http://${own}` }),
      await get({ origin: 'https://evil.example', 'access-control-request-method': 'POST' }, 'OPTIONS'),
      await it.order('faults', { rules: [] }, { ...json, origin: 'https://evil.example' }),
    ]
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 403, 403],
    )
    for (const { headers } of answers)
      assert.deepEqual(
        Object.keys(headers).filter((name) => name.startsWith('access-control')),
        [],
      )
  })

  test('has no other pages and no other methods', async () => {
    await using engine = await startTestEngine()
    assert.equal((await send(engine.endpoint, { method: 'GET', path: '/_triton/secrets' })).status, 404)
    assert.equal((await send(engine.endpoint, { method: 'DELETE', path: '/_triton/health' })).status, 405)
    // What only begins alike is the API's, which takes requests on any path.
    assert.equal((await send(engine.endpoint, { method: 'GET', path: '/_tritone' })).status, 403)
  })

  test('takes orders from this machine only, and is shown at the address at which it listens', () => {
    const from = (remoteAddress: string, host: string, localAddress = '192.168.1.5') =>
      ({ headers: { host }, connection: { remoteAddress, localAddress } }) as unknown as ApiRequest
    for (const address of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1']) checkIsLocal(from(address, ''))
    for (const address of ['192.168.1.5', '::ffff:192.168.1.5', 'fe80::1', ''])
      assert.throws(() => checkIsLocal(from(address, '')), /for this machine only/)
    checkCaller(from('192.168.1.9', '192.168.1.5:4567'), '0.0.0.0')
    checkCaller(from('192.168.1.9', 'kinesis.test:4567'), 'Kinesis.test')
    checkCaller(from('192.168.1.9', 'kinesis:4567'), '0.0.0.0')
    assert.throws(() => checkCaller(from('192.168.1.9', 'kinesis.test:4567'), '0.0.0.0'), /is not this engine's/)
    assert.throws(() => checkCaller(from('127.0.0.1', ''), '127.0.0.1'), /is not this engine's/)
    assert.throws(() => checkCaller(from('192.168.1.9', '192.168.1.6'), '0.0.0.0'), /is not this engine's/)
  })
})

describe('a clock that can be moved', () => {
  test('runs with the one below it, and ahead of it', async () => {
    const below = new ManualClock(1_000)
    const clock = new MovableClock(below)
    await below.advance(5)
    clock.advance(100)
    await below.advance(5)
    assert.deepEqual([clock.now(), clock.monotonic(), clock.offsetMs], [1_110, 110, 100])
    for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY]) assert.throws(() => clock.advance(ms), RangeError)
  })

  test('fires what falls due, in order, once, and what was cancelled never', async () => {
    const below = new ManualClock()
    const clock = new MovableClock(below)
    const fired: string[] = []
    const alarm = (name: string, ms: number) => clock.setTimer(() => fired.push(name), ms)
    alarm('third', 300)
    alarm('first', 100)
    alarm('second', 200)
    const cancelled = alarm('cancelled', 150)
    cancelled.cancel()
    cancelled.cancel()
    clock.advance(250)
    assert.deepEqual(fired, ['first', 'second'])
    await below.advance(49)
    assert.deepEqual(fired, ['first', 'second'])
    await below.advance(1)
    assert.deepEqual(fired, ['first', 'second', 'third'])
    assert.equal(below.waiting, 0)
  })

  test('lets a timer that fires begin the next one, and cancel another that is due', () => {
    const clock = new MovableClock(new ManualClock())
    let ticks = 0
    const tick = () => {
      ticks++
      clock.setTimer(tick, 60_000)
    }
    clock.setTimer(tick, 60_000)
    const other = clock.setTimer(() => assert.fail('it was cancelled'), 61_000)
    clock.setTimer(() => other.cancel(), 60_500)
    clock.advance(24 * 3_600_000)
    assert.equal(ticks, 1, 'as on a machine that wakes up: once, and then in a minute')
  })
})

function errorIn(body: unknown): string {
  return (body as { error: string }).error
}
