import assert from 'node:assert/strict'
import { once } from 'node:events'
import * as http2 from 'node:http2'
import { connect, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import type { LocalEngine } from '../../src/local/index.ts'
import { decodeCbor } from '../../src/local/wire/cbor-decode.ts'
import { encodeCbor } from '../../src/local/wire/encode-answer.ts'
import { listenOnOnePort } from '../../src/local/wire/one-port-server.ts'
import { startTestEngine } from '../support/engine.ts'
import { runs, seed } from '../support/soak.ts'
import { ask, call, encode, send, signed } from './wire-client.ts'

/** Bodies, headers and clients that are broken or mean harm. */
let engine: LocalEngine
before(async () => {
  engine = await startTestEngine({ streams: [{ name: 's', shardCount: 1 }] })
})
after(() => engine.close())

const headersOf = (format: 'json' | 'cbor', operation = 'PutRecords') => ({
  ...signed,
  'x-amz-target': `Kinesis_20131202.${operation}`,
  'content-type': `application/x-amz-${format}-1.1`,
})
const isAlive = async () => assert.deepEqual((await ask(engine.endpoint, 'ListStreams', {})).StreamNames, ['s'])
const serialization = { __type: 'SerializationException' }

describe('a body of CBOR', () => {
  const whole = encode({ StreamName: 's', Records: [{ PartitionKey: 'k', Data: Buffer.from('x') }] })
  const cases: [string, Buffer][] = [
    ['that claims a string of 4 GiB', Buffer.from('a1647465787a7bffffffffffffffff', 'hex')],
    ['that claims bytes of 4 GiB', Buffer.from('a14144' + '5affffffff', 'hex')],
    ['that claims a list of 4 billion', Buffer.from('a16752656365726473' + '9affffffff', 'hex')],
    ['that claims a map of 2^63 members', Buffer.from('bb7fffffffffffffff', 'hex')],
    ['that ends in the middle', whole.subarray(0, whole.length >> 1)],
    ['that goes on behind its end', Buffer.concat([whole, Buffer.of(0)])],
    ['that nests ten thousand lists', Buffer.alloc(10_000, 0x81)],
    ['that nests ten thousand tags', Buffer.alloc(10_000, 0xc1)],
    ['that nests maps without an end', Buffer.alloc(10_000, 0xbf)],
    ['that begins with a break', Buffer.of(0xff)],
    ['with a reserved length', Buffer.of(0x1c)],
    ['with a chunk of another type', Buffer.from('a1615f5f6161ff', 'hex')],
    ['that is a number', Buffer.of(1)],
    ['that is text', encode('text')],
    ['that is JSON', Buffer.from('{"StreamName":"s"}')],
  ]
  for (const [what, body] of cases)
    test(`${what} does not parse`, async () => {
      const answer = await send(engine.endpoint, { headers: headersOf('cbor'), body })
      assert.deepEqual([answer.status, answer.body], [400, serialization])
    })

  test('that is a list is no structure', async () => {
    const answer = await send(engine.endpoint, { headers: headersOf('cbor'), body: encode([]) })
    assert.deepEqual(answer.body, { ...serialization, Message: 'Start of list found where not expected' })
  })
})

describe('a body of JSON', () => {
  test('that nests deeply, or repeats members, or is half, harms nobody', async () => {
    const bodies = [
      `{"Records":${'['.repeat(100_000)}`,
      `{"Records":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
      '{"a":'.repeat(50_000),
      '{"StreamName":"s","StreamName":1}',
      '{"Records":[{"PartitionKey":"k","Data":"eA=="}',
      `{"StreamName":"${'\\u0000'.repeat(100_000)}"}`,
      Buffer.from([0x7b, 0xff, 0xfe, 0x7d]).toString('latin1'),
    ]
    for (const body of bodies) {
      const { status } = await send(engine.endpoint, { headers: headersOf('json'), body })
      assert.equal(status, 400, body.slice(0, 40))
    }
    await isAlive()
  })

  test('whose last of two members of a name counts', async () => {
    const body = '{"Limit":0,"Limit":1}'
    assert.equal((await send(engine.endpoint, { headers: headersOf('json', 'ListStreams'), body })).status, 200)
  })

  test('with an ARN that would keep its pattern busy for hours is refused at once', async () => {
    for (const [operation, member, path] of [
      ['DescribeStream', 'StreamARN', 'streamARN'],
      ['ListTagsForResource', 'ResourceARN', 'resourceARN'],
      ['DescribeStreamConsumer', 'ConsumerARN', 'consumerARN'],
    ] as const)
      for (const arn of [
        `arn:aws${':kinesis:'.repeat(500_000)}`,
        `arn:aws:kinesis:${':000000000000:'.repeat(300_000)}`,
      ]) {
        const { body } = await call(engine.endpoint, operation, { [member]: arn })
        const violation = `Value '${arn}' at '${path}' failed to satisfy constraint: Member must have length less than or equal to 2048`
        assert.equal(body.message, `1 validation error detected: ${violation}`)
      }
    // At the border, the pattern still counts.
    const { body } = await call(engine.endpoint, 'DescribeStream', { StreamARN: 'a'.repeat(4096) })
    assert.match(body.message, /^2 validation errors detected: /)
  })

  test('with __proto__ members changes no object of ours', async () => {
    const body =
      '{"__proto__":{"polluted":1},"StreamName":"s","Records":[{"__proto__":{"Data":"eA=="},"PartitionKey":"k"}]}'
    const answer = await send(engine.endpoint, { headers: headersOf('json'), body })
    assert.match(answer.body.message, /^1 validation error detected: Value null at 'records\.1\.member\.data'/)
    assert.equal(Reflect.get({}, 'polluted'), undefined)
  })
})

describe('a client', () => {
  test('with headers of 64 KiB is refused, and others are served', async () => {
    const headers = { ...headersOf('json', 'ListStreams'), 'x-long': 'x'.repeat(65_536) }
    // The answer is 431, but a client that is still writing may only learn that the connection has ended.
    const refusal = await send(engine.endpoint, { headers, body: '{}' }).then(
      ({ status }) => status,
      (error) => error.code,
    )
    assert.ok([431, 'ECONNRESET', 'EPIPE'].includes(refusal), String(refusal))
    await assert.rejects(send(engine.endpoint, { headers, body: '{}', isHttp2: true }))
    await isAlive()
  })

  test('that speaks no HTTP is hung up on', async () => {
    for (const bytes of [
      Buffer.from('hello\r\n\r\n'),
      Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]),
      Buffer.from('PRI * HTTP/2.0 nonsense that goes on'),
    ]) {
      const socket = await open()
      socket.write(bytes)
      await closed(socket)
    }
    await isAlive()
  })

  test('that sends a byte at a time keeps nobody else waiting', async () => {
    const socket = await open()
    const head = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n'
    for (const byte of head) {
      socket.write(byte)
      await isAlive()
    }
    socket.destroy()
  })

  test('that sends a byte now and then is hung up on when its time is over', async () => {
    await using server = await listen(300)
    const dribble = async (write: (byte: string) => boolean, ended: Promise<unknown>) => {
      let isOver = false
      ended.then(() => (isOver = true))
      while (!isOver) {
        write('x')
        await Promise.race([ended, new Promise((next) => setTimeout(next, 20))])
      }
    }
    const startedMs = performance.now()
    for (const head of [
      'POST / HTTP/1.1\r\nx-long: ',
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n',
    ]) {
      const socket = await open(server.port)
      const ended = closed(socket)
      socket.write(head)
      await dribble((byte) => socket.writable && socket.write(byte), ended)
    }
    const session = http2.connect(`http://127.0.0.1:${server.port}`)
    session.on('error', () => undefined)
    const stream = session.request({ ':method': 'POST', ...headersOf('json') })
    stream.on('error', () => undefined)
    const ended = new Promise((resolve) => stream.on('close', resolve))
    await dribble((byte) => stream.writable && stream.write(byte), ended)
    session.destroy()
    assert.ok(performance.now() - startedMs >= 3 * 300, 'and not before')
    assert.equal(server.requests, 0)
  })

  test('whose time is over takes nothing else with it that shares its connection', async (t) => {
    await using server = await listen(300)
    const session = http2.connect(`http://127.0.0.1:${server.port}`)
    t.after(() => session.destroy())
    const request = () => session.request({ ':method': 'POST', ...headersOf('json') })
    const slow = request()
    slow.on('error', () => undefined)
    slow.write('x')
    await new Promise((resolve) => slow.on('close', resolve))
    const other = request()
    other.end('{}')
    const [headers] = await once(other, 'response')
    assert.equal(headers[':status'], 200)
  })

  test('that does not tell what it speaks is hung up on when its time is over', async () => {
    await using server = await listen(300)
    const startedMs = performance.now()
    await Promise.all(
      // POST, PUT and PRI begin alike; and who speaks HTTP/2 has said nothing yet.
      ['', 'P', 'PR', 'PRI ', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'].map(async (bytes) => {
        const socket = await open(server.port)
        const ended = closed(socket)
        socket.write(bytes)
        await ended
      }),
    )
    assert.ok(performance.now() - startedMs >= 290, 'and not before')
    assert.equal(server.requests, 0)
  })

  test('that vanishes in the middle of its request or before its answer is forgotten', async () => {
    const body = JSON.stringify({ StreamName: 's', PartitionKey: 'k', Data: 'eA==' })
    const head = Object.entries({ ...headersOf('json', 'PutRecord'), 'content-length': body.length })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')
    const request = `POST / HTTP/1.1\r\nhost: x\r\n${head}\r\n${body}`
    for (let cut = 1; cut <= request.length; cut += 40) {
      const socket = await open()
      socket.write(request.slice(0, cut), () => socket.destroy())
      await closed(socket)
    }
    const session = http2.connect(engine.endpoint)
    session.on('error', () => undefined)
    for (let time = 0; time < 20; time++) {
      const stream = session.request({ ':method': 'POST', ...headersOf('json', 'PutRecord') })
      stream.on('error', () => undefined)
      stream.write(body.slice(0, time))
      stream.close(http2.constants.NGHTTP2_CANCEL)
    }
    session.destroy()
    await isAlive()
  })

  async function listen(requestWithinMs: number) {
    let requests = 0
    const answer = async () => {
      requests++
      return { status: 200, headers: {}, body: Buffer.alloc(0) }
    }
    const server = await listenOnOnePort({ host: '127.0.0.1', port: 0, answer, requestWithinMs })
    return {
      port: server.port,
      get requests() {
        return requests
      },
      [Symbol.asyncDispose]: () => server.close(),
    }
  }

  async function open(port = engine.port): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket))
      socket.on('error', reject)
    })
  }

  function closed(socket: Socket): Promise<void> {
    return new Promise((resolve) => {
      socket.on('error', () => undefined)
      socket.resume()
      socket.on('close', () => resolve())
      socket.on('end', () => socket.end())
    })
  }
})

describe('a token of a listing', () => {
  test('that was cut, flipped, moved to another operation or made up is refused', async () => {
    await using engine = await startTestEngine({
      streams: [
        { name: 'a', shardCount: 3 },
        { name: 'b', shardCount: 3 },
        { name: 'z', shardCount: 1 },
      ],
    })
    const StreamARN = 'arn:aws:kinesis:us-east-1:000000000000:stream/a'
    for (const ConsumerName of ['c', 'd'])
      await ask(engine.endpoint, 'RegisterStreamConsumer', { StreamARN, ConsumerName })
    const listings = [
      ['ListStreams', {}, { Limit: 1 }],
      ['ListShards', {}, { StreamName: 'a', MaxResults: 1 }],
      ['ListStreamConsumers', { StreamARN }, { StreamARN, MaxResults: 1 }],
    ] as const
    const start = { StreamName: 'a', ShardId: '0', ShardIteratorType: 'LATEST' }
    const tokens = new Map([['an iterator', (await ask(engine.endpoint, 'GetShardIterator', start)).ShardIterator]])
    for (const [operation, , first] of listings)
      tokens.set(operation, (await ask(engine.endpoint, operation, first)).NextToken ?? '')
    for (const [operation, rest] of listings) {
      const list = (NextToken: string) => call(engine.endpoint, operation, { ...rest, NextToken })
      const token = tokens.get(operation) ?? ''
      assert.equal((await list(token)).status, 200, operation)
      const bytes = Buffer.from(token, 'base64url')
      const wrong = [
        token.slice(0, -1),
        token.slice(1),
        `${token}A`,
        ` ${token}`,
        'x',
        Buffer.alloc(200).toString('base64'),
      ]
      for (let at = 0; at < bytes.length; at++) {
        const flipped = Buffer.from(bytes)
        flipped[at] = (flipped[at] as number) ^ (1 << (at & 7))
        wrong.push(flipped.toString(token.includes('-') || token.includes('_') ? 'base64url' : 'base64'))
      }
      for (const [other, foreign] of tokens) if (other !== operation) wrong.push(foreign)
      for (const NextToken of wrong) {
        const { status, body } = await list(NextToken)
        assert.deepEqual([status, body.__type], [400, 'InvalidArgumentException'], `${operation} ${NextToken}`)
      }
    }
    // Tokens have the length of an iterator by chance.
    for (let length = 1; length <= 16; length++) {
      const name = 'n'.repeat(100 + length)
      await ask(engine.endpoint, 'CreateStream', { StreamName: name, ShardCount: 1 })
      const from = { Limit: 1, ExclusiveStartStreamName: 'b' }
      const { NextToken } = await ask(engine.endpoint, 'ListStreams', from)
      assert.ok(NextToken)
      const { status, body } = await call(engine.endpoint, 'GetRecords', { ShardIterator: NextToken })
      assert.deepEqual([status, body.message], [400, 'Invalid ShardIterator.'])
      await ask(engine.endpoint, 'DeleteStream', { StreamName: name })
    }
  })
})

describe('random requests', () => {
  const scalar = fc.oneof(
    fc.constantFrom('s', '0', 'shardId-000000000000', 'TRIM_HORIZON', 'LATEST', 'AT_TIMESTAMP', '', null, true, 'eA=='),
    fc.integer(),
    fc.double(),
    fc.string(),
  )
  const names = fc.constantFrom(
    'StreamName',
    'ShardId',
    'ShardIteratorType',
    'Records',
    'Data',
    'PartitionKey',
    'Limit',
    'ShardIterator',
    'Timestamp',
    'ShardFilter',
    'Type',
    'NextToken',
    'ShardCount',
    'TargetShardCount',
    'ScalingType',
    '__proto__',
    'constructor',
  )
  const input = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: 'small' }, scalar, fc.array(tie('value'), { maxLength: 3 }), tie('map')),
    map: fc.array(fc.tuple(names, tie('value')), { maxLength: 5 }).map(Object.fromEntries),
  })).map as fc.Arbitrary<object>
  const operation = fc.constantFrom(
    'PutRecord',
    'PutRecords',
    'GetRecords',
    'GetShardIterator',
    'ListShards',
    'ListStreams',
    'SplitShard',
    'MergeShards',
    'UpdateShardCount',
    'DescribeStream',
    'DescribeStreamSummary',
    'CreateStream',
  )

  test('get an answer of the API, and never an internal failure', async () => {
    await fc.assert(
      fc.asyncProperty(operation, input, fc.boolean(), async (name, given, isCbor) => {
        const wire = { name: '', format: isCbor ? 'cbor' : 'json', isHttp2: false } as const
        const answer = await call(engine.endpoint, name, given, wire)
        assert.ok(answer.status === 200 || answer.status === 400, `${answer.status} ${JSON.stringify(answer.body)}`)
        if (answer.status === 400) assert.match(answer.body.__type, /Exception$/)
      }),
      { numRuns: runs(50_000), seed: seed() },
    )
    await ask(engine.endpoint, 'DescribeStream', { StreamName: 's' })
  })

  test('of random bytes are refused', async () => {
    const whole = encode({ StreamName: 's', Records: [{ PartitionKey: 'k', Data: Buffer.from('x') }] })
    const mutated = fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, byte]) => {
      const bytes = Buffer.from(whole)
      bytes[at] = byte
      return bytes
    })
    const bytes = fc.oneof(
      mutated,
      fc.uint8Array({ minLength: 1, maxLength: 60 }).map((array) => Buffer.from(array)),
    )
    await fc.assert(
      fc.asyncProperty(bytes, fc.constantFrom('json', 'cbor'), async (body, format) => {
        const { status } = await send(engine.endpoint, { headers: headersOf(format as 'json' | 'cbor'), body })
        assert.ok(status === 200 || status === 400, String(status))
      }),
      { numRuns: runs(50_000), seed: seed() },
    )
  })

  test('in CBOR read as what was written', () => {
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.string(),
        fc.maxSafeInteger(),
        fc.double({ noNaN: true }),
        fc.boolean(),
        fc.array(tie('value')),
        fc.dictionary(fc.string(), tie('value')),
      ),
    })).value as fc.Arbitrary<never>
    fc.assert(
      fc.property(value, (given) => {
        assert.deepEqual(JSON.stringify(decodeCbor(encodeCbor(given))), JSON.stringify(given))
      }),
      { numRuns: runs(20_000), seed: seed() },
    )
  })
})
