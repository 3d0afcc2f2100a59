import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { parseConfig } from '../../src/config.ts'
import { DropReport } from '../../src/daemon/drop-report.ts'
import { decodeMessage } from '../../src/daemon/message-frames.ts'
import { MessageRing } from '../../src/daemon/message-ring.ts'
import { nonblockingSettings } from '../../src/daemon/nonblocking-options.ts'
import { getNonblockingStream } from '../../src/daemon/nonblocking-stream.ts'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { ConfigError } from '../../src/errors.ts'
import { losslessJsonOf, msgpackOfLosslessJson } from '../../src/record/lossless-json.ts'
import { decodeMsgpack } from '../../src/record/msgpack-decode.ts'
import { freePort } from '../support/free-port.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { runs, seed } from '../support/soak.ts'
import { CatchingPull } from './catching-sockets.ts'
import { goldenFrames } from './golden-frames.ts'
import { RawPull } from './raw-pull.ts'

const config = parseConfig(
  `
orders:
  name: orders_v2
  partition_key: id
user_activity:
  name: user_activity
  partition_key: id
  partition_key_text: python
flüsse:
  name: rivers
  partition_key: id
raw:
  name: raw
  partition_key: id
  format: bytes
`,
  'client.test.ts',
)

/** The news of a test, from the first line on. */
function listen(): Disposable & { dropped: Extract<Diagnostic, { type: 'message-dropped' }>[] } {
  const dropped: Extract<Diagnostic, { type: 'message-dropped' }>[] = []
  const stop = observe((news) => {
    if (news.type === 'message-dropped') dropped.push(news)
  })
  return { dropped, [Symbol.dispose]: stop }
}

function read(frames: Buffer[] | undefined) {
  const message = decodeMessage(frames ?? [])
  assert.ok(message.refusal === undefined, message.refusal)
  return { stream: message.streamName, key: message.partitionKey, data: losslessJsonOf(message.body) }
}

describe('put of a non-blocking stream', () => {
  test('sends header and record, and says true', async () => {
    using pull = await CatchingPull.listen()
    await using stream = getNonblockingStream('orders', config, { port: pull.port })
    assert.equal(stream.put({ id: 'clé-☃', value: 'hi mom', big: 2n ** 60n }), true)
    assert.equal(stream.put({ id: 7 }, { partitionKey: 'other' }), true)
    await pull.arrived(2)
    assert.deepEqual(pull.messages.map(read), [
      { stream: 'orders', key: 'clé-☃', data: '{"id":"clé-☃","value":"hi mom","big":{"$int":"1152921504606846976"}}' },
      { stream: 'orders', key: 'other', data: '{"id":7}' },
    ])
    assert.deepEqual(stream.counts, { sent: 2, waiting: 0, dropped: {} })
  })

  test('puts on the wire what py-triton does, byte by byte, where the forms are the same', async () => {
    using pull = await CatchingPull.listen()
    await using stream = getNonblockingStream('user_activity', config, { port: pull.port })
    // str8 and bin, which py-triton does not write, and keys and names that it cut.
    const same = goldenFrames('py').filter(
      ({ expected, body, bodyText }) =>
        expected.streamName === 'user_activity' &&
        expected.isUtf8 &&
        expected.partitionKey.length > 0 &&
        msgpackOfLosslessJson(bodyText).equals(body),
    )
    const put = same.filter(({ body }) => {
      const data = decodeMsgpack(body) as { id: unknown }
      return stream.put(data)
    })
    await pull.arrived(put.length)
    assert.deepEqual(
      pull.messages,
      put.map(({ header, body }) => [header, body]),
    )
    assert.ok(put.length >= 8, `${put.length} messages of the golden file are the same`)
  })

  test('takes the JSON form for names that the old daemon dies of', async () => {
    using pull = await CatchingPull.listen()
    await using stream = getNonblockingStream('flüsse', config, { port: pull.port })
    stream.put({ id: 'k' })
    await pull.arrived(1)
    assert.equal(pull.messages[0]?.[0]?.toString(), '{"stream_name":"flüsse","partition_key":"k"}')
  })

  test('of bytes keeps what they were, whatever the caller writes into them later', async () => {
    using pull = await CatchingPull.listen()
    await using stream = getNonblockingStream<Uint8Array>('raw', config, { port: pull.port })
    const bytes = Buffer.from('before')
    stream.put(bytes, { partitionKey: 'k' })
    bytes.write('after!')
    await pull.arrived(1)
    assert.equal(pull.messages[0]?.[1]?.toString(), 'before')
  })

  test('never throws: what cannot be written is counted by its reason, and the next record goes', async () => {
    using news = listen()
    using pull = await CatchingPull.listen()
    await using stream = getNonblockingStream<unknown>('orders', config, { port: pull.port })
    const cyclic: Record<string, unknown> = { id: 'c' }
    cyclic['self'] = cyclic
    const bad = [
      ...[
        { id: 'f', f() {} },
        cyclic,
        { id: 's', s: Symbol('s') },
        { id: 'n', n: Number.NaN },
        'text',
        null,
        undefined,
      ],
      {
        get id() {
          throw new Error('a getter that throws')
        },
      },
    ]
    for (const record of bad) assert.equal(stream.put(record), false)
    for (const record of [{ n: 1 }, { id: '' }, { id: 'k'.repeat(257) }]) assert.equal(stream.put(record), false)
    assert.equal(stream.put({ id: 'k', big: Buffer.alloc(10 * 1024 * 1024) }), false)
    assert.equal(stream.put({ id: 'good' }), true)
    await pull.arrived(1)
    assert.deepEqual(pull.messages.map(read), [{ stream: 'orders', key: 'good', data: '{"id":"good"}' }])
    assert.deepEqual(stream.counts.dropped, { 'not-encodable': bad.length, 'partition-key': 3, 'too-large': 1 })
    assert.equal(news.dropped.length, 1)
    assert.match(news.dropped[0]?.detail ?? '', /cannot write \$\.f: a function/)
  })

  test('after close is dropped and counted', async () => {
    using news = listen()
    using pull = await CatchingPull.listen()
    const stream = getNonblockingStream('orders', config, { port: pull.port })
    await stream.close()
    await stream.close()
    assert.equal(stream.put({ id: 'k' }), false)
    assert.deepEqual(stream.counts.dropped, { closed: 1 })
    assert.equal(news.dropped[0]?.reason, 'closed')
  })
})

describe('while no tritond is there', () => {
  test('a full ring drops what comes, and counts it', async () => {
    using news = listen()
    const clock = new ManualClock()
    const stream = getNonblockingStream('orders', config, { port: 1, highWaterMark: 10, clock, lingerMs: 50 })
    const taken = Array.from({ length: 30 }, (_, n) => stream.put({ id: 'k', n }))
    assert.deepEqual(taken, [...Array(10).fill(true), ...Array(20).fill(false)])
    assert.deepEqual(stream.counts, { sent: 0, waiting: 10, dropped: { 'queue-full': 20 } })
    const closing = stream.close()
    await untilWaiting(clock, 2)
    await clock.advance(50)
    await closing
    assert.deepEqual(stream.counts.dropped, { 'queue-full': 20, 'not-sent': 10 })
    assert.deepEqual(
      news.dropped.map(({ reason, recordCount }) => [reason, recordCount]),
      [
        ['queue-full', 1],
        ['queue-full', 19],
        ['not-sent', 10],
      ],
    )
  })

  test('records wait by bytes, too', async () => {
    using _ = listen()
    const stream = getNonblockingStream('orders', config, { port: 1, queueBytes: 1000, lingerMs: 0 })
    const record = { id: 'k', text: 'x'.repeat(300) }
    assert.deepEqual(
      [1, 2, 3, 4].map(() => stream.put(record)),
      [true, true, true, false],
    )
    await stream.close()
  })

  test('one that starts later gets all that waits, in order', async () => {
    const port = await freePort()
    await using stream = getNonblockingStream('orders', config, { port })
    for (let n = 0; n < 4000; n++) assert.equal(stream.put({ id: 'k', n }), true)
    using pull = await CatchingPull.listen(port)
    await pull.arrived(4000)
    assert.deepEqual(
      pull.messages.map(numberIn),
      Array.from({ length: 4000 }, (_, n) => n),
    )
  })

  test('one that restarts gets what was put meanwhile', async () => {
    const port = await freePort()
    await using stream = getNonblockingStream('orders', config, { port })
    {
      using pull = await CatchingPull.listen(port)
      stream.put({ id: 'k', n: 0 })
      await pull.arrived(1)
    }
    // libzmq may still answer for what it took with it: so one first.
    while (stream.counts.waiting === 0) {
      stream.put({ id: 'probe', n: -1 })
      await turn()
    }
    for (let n = 1; n <= 1000; n++) stream.put({ id: 'k', n })
    using pull = await CatchingPull.listen(port)
    let arrivedCount = 0
    while (!pull.messages.some((frames) => numberIn(frames) === 1000)) await pull.arrived(++arrivedCount)
    const numbers = pull.messages.map(numberIn).filter((n) => n !== -1)
    assert.deepEqual(
      numbers,
      Array.from({ length: 1000 }, (_, n) => n + 1),
    )
  })
})

describe('what is on the way to tritond', () => {
  test('comes again, in order, when the connection breaks before tritond has answered for it', async () => {
    using pull = await RawPull.listen({ isMute: true })
    await using stream = getNonblockingStream('orders', config, { port: pull.port, lingerMs: 0 })
    for (let n = 0; n < 500; n++) stream.put({ id: 'k', n })
    await pull.until(() => pull.messages.length === 500)
    assert.deepEqual(stream.counts, { sent: 500, waiting: 0, dropped: {} })
    pull.cut()
    await pull.until(() => pull.messages.length === 1000)
    const numbers = pull.messages.map(numberIn)
    assert.deepEqual(numbers.slice(500), numbers.slice(0, 500))
    assert.deepEqual(stream.counts, { sent: 500, waiting: 0, dropped: {} })
  })

  test('arrives in its order, whatever its size and wherever connections break', async () => {
    for (let run = 0; run < runs(60, 2); run++) {
      const size = fc.oneof(
        { weight: 30, arbitrary: fc.nat(300) },
        { weight: 2, arbitrary: fc.nat(100_000) },
        { weight: 1, arbitrary: fc.nat(1_000_000) },
      )
      const plan = fc.record({ size, pause: fc.nat(20), cut: fc.nat(150) })
      using pull = await RawPull.listen()
      const stream = getNonblockingStream('orders', config, { port: pull.port, lingerMs: 60_000 })
      for (const [n, { size, pause, cut }] of fc.sample(plan, { numRuns: 3000, seed: seed() + run }).entries()) {
        assert.equal(stream.put({ id: 'k', n, filler: Buffer.alloc(size) }), true)
        if (pause === 0 || stream.counts.waiting > 1000) await turn()
        if (cut === 0) pull.cut()
        while (stream.counts.waiting > 2000) await turn()
      }
      await stream.close()
      assert.deepEqual(stream.counts, { sent: 3000, waiting: 0, dropped: {} })
      const first = [...new Set(pull.messages.map(numberIn))]
      assert.deepEqual(
        first,
        Array.from({ length: 3000 }, (_, n) => n),
      )
    }
  })

  test('is bounded: what tritond has not read waits in the ring', async () => {
    using _ = listen()
    using pull = await RawPull.listen({ isMute: true })
    await using stream = getNonblockingStream('orders', config, { port: pull.port, lingerMs: 0 })
    for (let n = 0; n < 3000; n++) assert.equal(stream.put({ id: 'k', n }), true)
    await pull.until(() => pull.messages.length === 1000)
    for (let turns = 0; turns < 20; turns++) await turn()
    assert.deepEqual([pull.messages.length, stream.counts.sent, stream.counts.waiting], [1000, 1000, 2000])
  })

  for (const isVersion2 of [false, true])
    test(`may be larger than the system takes at once${isVersion2 ? ', also of version 2.0' : ''}`, async () => {
      using pull = await RawPull.listen({ isVersion2 })
      const stream = getNonblockingStream('orders', config, { port: pull.port })
      const sizes = Array.from({ length: 40 }, (_, n) => (n % 3 === 1 ? 4_000_000 : 40_000 * (n % 8)))
      for (const [n, size] of sizes.entries()) stream.put({ id: 'k', n, filler: Buffer.alloc(size, n) })
      await stream.close()
      await pull.until(() => pull.messages.length === sizes.length)
      assert.deepEqual(stream.counts, { sent: sizes.length, waiting: 0, dropped: {} })
      for (const [n, frames] of pull.messages.entries()) {
        const { filler } = decodeMsgpack(frames[1] as Buffer) as { filler: Uint8Array }
        assert.equal(numberIn(frames), n)
        assert.ok(Buffer.from(filler).equals(Buffer.alloc(sizes[n] as number, n)))
      }
    })

  test('goes to a daemon of version 2.0, which answers for nothing', async () => {
    using pull = await RawPull.listen({ isVersion2: true })
    const stream = getNonblockingStream('orders', config, { port: pull.port })
    for (let n = 0; n < 3000; n++) stream.put({ id: 'k', n })
    await stream.close()
    await pull.until(() => pull.messages.length === 3000)
    assert.deepEqual(stream.counts, { sent: 3000, waiting: 0, dropped: {} })
  })

  test('waits while something else listens there, which is told once', async () => {
    using _ = listen()
    const told: string[] = []
    const stop = observe((news) => {
      if (news.type === 'client-failed') told.push(news.reason)
    })
    try {
      using pull = await RawPull.listen({ banner: 'SSH-2.0-dropbear\r\n' })
      await using stream = getNonblockingStream('orders', config, { port: pull.port, lingerMs: 0 })
      stream.put({ id: 'k' })
      await pull.until(() => pull.connectionCount === 3)
      assert.equal(stream.counts.waiting, 1)
      assert.deepEqual(told, [
        'a connection that does not speak ZeroMQ\'s protocol: it begins with "SSH-2.0-dropbear\\r\\n"',
      ])
    } finally {
      stop()
    }
  })
})

describe('close', () => {
  test('sends what waits before it resolves', async () => {
    using pull = await CatchingPull.listen()
    const stream = getNonblockingStream('orders', config, { port: pull.port })
    for (let n = 0; n < 3000; n++) stream.put({ id: 'k', n })
    await stream.close()
    assert.deepEqual(stream.counts, { sent: 3000, waiting: 0, dropped: {} })
    await pull.arrived(3000)
  })

  for (const end of ['await stream.close()', '// without close'])
    test(`lets a process end by itself when everything was sent: ${end}`, async () => {
      using pull = await CatchingPull.listen()
      const program = `
      import { getNonblockingStream, parseConfig } from './src/index.ts'
      const stream = getNonblockingStream('orders', parseConfig('orders: {name: o, partition_key: id}', 'test'))
      for (let n = 0; n < 100; n++) stream.put({ id: 'k', n })
      ${end}`
      const run = promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
        env: { PATH: process.env['PATH'], TRITON_ZMQ_HOST: '127.0.0.1', TRITON_ZMQ_PORT: String(pull.port) },
        timeout: 60_000,
      })
      await pull.arrived(100)
      assert.equal((await run).stderr, '')
    })
})

describe('what was dropped', () => {
  test('is told at once, then at most once a second', async () => {
    using news = listen()
    const clock = new ManualClock()
    const drops = new DropReport('orders', clock)
    const told = () => news.dropped.map(({ recordCount }) => recordCount)
    for (let n = 0; n < 5; n++) drops.add('queue-full', 'full')
    assert.deepEqual(told(), [1])
    await clock.advance(999)
    drops.add('queue-full', 'full')
    assert.deepEqual(told(), [1])
    await clock.advance(1)
    assert.deepEqual(told(), [1, 5])
    await clock.advance(10_000)
    assert.equal(clock.waiting, 0, 'a timer without anything to tell')
    drops.add('closed', 'late')
    assert.deepEqual(told(), [1, 5, 1])
    assert.deepEqual(Object.fromEntries(drops.counts), { 'queue-full': 6, closed: 1 })
    drops.close()
    assert.equal(clock.waiting, 0)
  })

  test('is a warning of the process while nobody listens', async () => {
    const warned = once(process, 'warning')
    const drops = new DropReport('orders', new ManualClock())
    drops.add('queue-full', 'the ring is full')
    drops.close()
    const [warning] = (await warned) as [Error & { code: string }]
    assert.equal(warning.code, 'TRITON_MESSAGE_DROPPED')
    assert.match(warning.message, /a record of stream "orders" did not go to tritond: the ring is full/)
  })
})

describe('where tritond is', () => {
  test('comes from the options, else from the environment, else it is the old port of this host', () => {
    const where = (options: object, environment: NodeJS.ProcessEnv) => {
      const { host, port, durablePort } = nonblockingSettings(options, environment)
      return [host, port, durablePort]
    }
    const environment = { TRITON_ZMQ_HOST: '10.0.0.1', TRITON_ZMQ_PORT: '4000' }
    assert.deepEqual(where({}, {}), ['127.0.0.1', 3515, 3516])
    assert.deepEqual(where({}, { TRITON_ZMQ_HOST: '', TRITON_ZMQ_PORT: '' }), ['127.0.0.1', 3515, 3516])
    assert.deepEqual(where({}, environment), ['10.0.0.1', 4000, 4001])
    assert.deepEqual(where({ host: '::1', port: 5000, durablePort: 1 }, environment), ['::1', 5000, 1])
  })

  test('is refused when it can be no place, and so are other options out of range', () => {
    const bad: [object, NodeJS.ProcessEnv, RegExp][] = [
      [{}, { TRITON_ZMQ_PORT: 'many' }, /TRITON_ZMQ_PORT must be a port number, 1 to 65535; it is "many"/],
      [{}, { TRITON_ZMQ_HOST: 'tcp://here' }, /host must be a name or an address/],
      [{ port: 0 }, {}, /the option port .* must be a whole number from 1 to 65535; it is 0/],
      [{ port: 1.5 }, {}, /it is 1.5/],
      [{ highWaterMark: 0 }, {}, /highWaterMark/],
      [{ lingerMs: -1 }, {}, /lingerMs/],
    ]
    for (const [options, environment, message] of bad)
      assert.throws(
        () => nonblockingSettings(options, environment),
        (error) => {
          assert.ok(error instanceof ConfigError)
          assert.match(error.message, message)
          return true
        },
      )
    assert.throws(() => getNonblockingStream('nowhere', config), ConfigError)
    const name = 'é'.repeat(501)
    const long = parseConfig(`${name}: { name: long, partition_key: id }`, 'client.test.ts')
    assert.throws(() => getNonblockingStream(name, long), /more than 1000 bytes/)
  })
})

test('the ring is a queue with two bounds, whose records go again when they were not settled', () => {
  const act = fc.oneof(
    fc.record({ put: fc.nat(30) }),
    fc.constantFrom('send' as const, 'rewind' as const),
    fc.record({ settle: fc.nat(4) }),
  )
  const maxSent = 4
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 100 }),
      fc.array(act, { maxLength: 40 }),
      (count, bytes, acts) => {
        const ring = new MessageRing(maxSent, count, bytes)
        let sent: { key: string; length: number }[] = []
        let waiting: { key: string; length: number }[] = []
        const sum = (records: typeof sent) => records.reduce((sum, { length }) => sum + length, 0)
        for (const [index, act] of acts.entries()) {
          if (act === 'send') {
            const oldest = waiting[0]
            if (oldest === undefined || sent.length === maxSent) continue
            assert.deepEqual([ring.partitionKey, ring.body.length], [oldest.key, oldest.length])
            ring.send()
            sent.push(oldest)
            waiting.shift()
          } else if (act === 'rewind') {
            ring.rewind()
            waiting = [...sent, ...waiting]
            sent = []
          } else if ('settle' in act) {
            const settled = Math.min(act.settle, sent.length)
            ring.settle(settled)
            sent.splice(0, settled)
          } else {
            const hasRoom = waiting.length < count && (waiting.length === 0 || sum(waiting) + act.put <= bytes)
            assert.equal(ring.push(String(index), Buffer.alloc(act.put)), hasRoom)
            if (hasRoom) waiting.push({ key: String(index), length: act.put })
          }
          assert.deepEqual(
            [ring.sentCount, ring.sentBytes, ring.waitingCount, ring.isEmpty],
            [sent.length, sum(sent), waiting.length, sent.length + waiting.length === 0],
          )
        }
      },
    ),
    { numRuns: runs(20_000), seed: seed() },
  )
})

function numberIn(frames: Buffer[]): unknown {
  return (decodeMsgpack(frames[1] as Buffer) as { n: number }).n
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function untilWaiting(clock: ManualClock, timerCount: number): Promise<void> {
  while (clock.waiting < timerCount) await turn()
}
