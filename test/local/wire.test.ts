import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { ask, call, encode, send, signed, typeOf, type WireAnswer, wires } from './wire-client.ts'

/** Section 1 of the specification: requests, answers and the order of checks. */
let engine: LocalEngine
before(async () => {
  engine = await startTestEngine({ streams: [{ name: 'wire', shardCount: 1 }] })
})
after(() => engine.close())

const target = (operation: string) => ({ 'x-amz-target': `Kinesis_20131202.${operation}` })
const json = { 'content-type': 'application/x-amz-json-1.1' }
const cbor = { 'content-type': 'application/x-amz-cbor-1.1' }
const accessDenied =
  '<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n</AccessDeniedException>\n'

for (const wire of wires) {
  describe(`1.1 answers over ${wire.name}`, () => {
    test('have the content type of the request, request ids and an exact length', async () => {
      const answer = await call(engine.endpoint, 'ListStreams', {}, wire)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['content-type'], typeOf(wire))
      assert.match(String(answer.headers['x-amzn-requestid']), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      assert.equal(Buffer.from(String(answer.headers['x-amz-id-2']), 'base64').length, 72)
      assert.equal(answer.headers['content-length'], String(answer.bytes.length))
      assert.equal(answer.headers['transfer-encoding'], undefined)
      assert.equal(answer.headers['connection'], undefined)
      assert.deepEqual(answer.body.StreamNames, ['wire'])
    })

    test('of operations without output are empty', async () => {
      const answer = await call(
        engine.endpoint,
        'CreateStream',
        { StreamName: `made-${wire.format}-${wire.isHttp2}`, ShardCount: 1 },
        wire,
      )
      assert.deepEqual([answer.status, answer.bytes.length, answer.headers['content-length']], [200, 0, '0'])
      assert.equal(answer.headers['content-type'], typeOf(wire))
      await ask(engine.endpoint, 'DeleteStream', { StreamName: `made-${wire.format}-${wire.isHttp2}` }, wire)
    })

    test('tell errors by type and message', async () => {
      const answer = await call(engine.endpoint, 'DescribeStream', { StreamName: 'nowhere' }, wire)
      assert.equal(answer.status, 400)
      assert.deepEqual(answer.body, {
        __type: 'ResourceNotFoundException',
        message: 'Stream nowhere under account 000000000000 not found.',
      })
    })

    test('leave absent what is null in the request, and ignore what nobody knows', async () => {
      const input = { Limit: null, ExclusiveStartStreamName: null, Colour: 'red', __proto__x: { a: [1] } }
      assert.deepEqual((await ask(engine.endpoint, 'ListStreams', input, wire)).StreamNames, ['wire'])
    })
  })
}

describe('1.1 a request', () => {
  test('may come on any path, with parameters behind its content type', async () => {
    for (const type of ['application/x-amz-json-1.1; charset=utf-8', ' application/x-amz-json-1.1 ;x']) {
      const headers = { ...signed, ...target('ListStreams'), 'content-type': type }
      const answer = await send(engine.endpoint, { path: '/some/where?a=b', headers, body: '{}' })
      assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/x-amz-json-1.1'])
    }
  })

  test('may hold white space anywhere in its JSON, as those of the KPL do', async () => {
    const body =
      '\n{\t"Records" :\r\n [ \n{ "Data" : "aGk=" ,\n\t"PartitionKey"\n:\n"k"\n,\t"ExplicitHashKey" : "0" } ]\n,\n"StreamName"\t: "wire" }\n\n'
    const answer = await send(engine.endpoint, { headers: { ...signed, ...target('PutRecords'), ...json }, body })
    assert.equal(answer.status, 200)
    assert.equal(answer.body.Records[0]?.ShardId, 'shardId-000000000000')
  })

  test('may write CBOR with indefinite lengths, tags and floats', async () => {
    const records = Buffer.concat([
      Buffer.of(0xbf),
      Buffer.concat([encode('Records'), Buffer.of(0x9f)]),
      // {_ "Data": (_ h'6869', h'21'), "PartitionKey": (_ "k", "ey") }
      Buffer.concat([Buffer.of(0xbf), encode('Data'), Buffer.from('5f4268694121ff', 'hex')]),
      Buffer.concat([encode('PartitionKey'), Buffer.from('7f616b626579ff', 'hex'), Buffer.of(0xff)]),
      Buffer.concat([Buffer.of(0xff), encode('StreamName'), encode('wire'), Buffer.of(0xff)]),
    ])
    const put = await send(engine.endpoint, { headers: { ...signed, ...target('PutRecords'), ...cbor }, body: records })
    assert.deepEqual([put.status, put.body.FailedRecordCount], [200, 0])
    // {"Limit": 1.0 as a half float}
    const limit = Buffer.concat([Buffer.of(0xa1), encode('Limit'), Buffer.from('f93c00', 'hex')])
    const list = await send(engine.endpoint, { headers: { ...signed, ...target('ListStreams'), ...cbor }, body: limit })
    assert.deepEqual(list.body.StreamNames, ['wire'])
  })

  test('tells times in CBOR in milliseconds, or in seconds when a tag says so and they are small', async () => {
    await ask(engine.endpoint, 'CreateStream', { StreamName: 'timed', ShardCount: 1 })
    await ask(engine.endpoint, 'PutRecord', { StreamName: 'timed', PartitionKey: 'k', Data: Buffer.from('x') })
    const now = Date.now()
    const uint = (value: number) => Buffer.from(`1b${value.toString(16).padStart(16, '0')}`, 'hex')
    const float = (value: number) => {
      const bytes = Buffer.alloc(9, 0xfb)
      bytes.writeDoubleBE(value, 1)
      return bytes
    }
    const tagged = (value: Buffer) => Buffer.concat([Buffer.of(0xc1), value])
    const countFrom = async (time: Buffer) => {
      const members = { StreamName: 'timed', ShardId: '0', ShardIteratorType: 'AT_TIMESTAMP' }
      const rest = Buffer.concat(Object.entries(members).flatMap(([name, value]) => [encode(name), encode(value)]))
      const body = Buffer.concat([Buffer.of(0xa4), rest, encode('Timestamp'), time])
      const headers = { ...signed, ...target('GetShardIterator'), ...cbor }
      const { status, body: answer } = await send(engine.endpoint, { headers, body })
      if (status !== 200) return `${answer.__type}: ${answer.message.split('.')[0]}`
      const { ShardIterator } = answer
      return (await ask(engine.endpoint, 'GetRecords', { ShardIterator })).Records.length
    }
    const hourMs = 3_600_000
    for (const time of [now - hourMs, now - hourMs + 0.5].flatMap((ms) => [
      ...(Number.isInteger(ms) ? [uint(ms), tagged(uint(ms)), tagged(uint(Math.floor(ms / 1000)))] : []),
      float(ms),
      tagged(float(ms)),
      tagged(float(ms / 1000)),
    ]))
      assert.equal(await countFrom(time), 1, time.toString('hex'))
    // Untagged, even a small one is of milliseconds: 1970, from when everything is still to come.
    assert.equal(await countFrom(uint(Math.floor((now + hourMs) / 1000))), 1)
    for (const time of [
      uint(now + hourMs),
      tagged(uint(now + hourMs)),
      tagged(uint(Math.floor((now + hourMs) / 1000))),
    ])
      assert.equal(
        await countFrom(time),
        'InvalidArgumentException: The timestampInMillis parameter cannot be greater than the currentTimestampInMillis',
      )
    await ask(engine.endpoint, 'DeleteStream', { StreamName: 'timed' })
  })

  test('of more than 16 MiB is refused with 413, one of 16 MiB is read', async () => {
    const headers = { ...signed, ...target('PutRecord'), ...json }
    const body = (size: number) => `{"StreamName":"wire","PartitionKey":"kkk","Data":"${'A'.repeat(size - 52)}"}`
    const limit = 16 * 1024 * 1024
    for (const isHttp2 of [false, true]) {
      const most = await send(engine.endpoint, { headers, body: body(limit), isHttp2 })
      assert.equal(Buffer.byteLength(body(limit)), limit)
      assert.deepEqual([most.status, most.body.__type], [400, 'ValidationException'])
      assert.equal((await send(engine.endpoint, { headers, body: body(limit + 1), isHttp2 })).status, 413)
      assert.equal((await send(engine.endpoint, { headers, body: body(limit + 1024 * 1024), isHttp2 })).status, 413)
    }
  })
})

describe('1.2 the checks come in order', () => {
  const cases: [string, Parameters<typeof send>[1], number, unknown][] = [
    ['another method than POST', { method: 'GET' }, 403, accessDenied],
    [
      'an empty JSON body',
      { headers: { ...target('ListStreams'), ...json } },
      400,
      { __type: 'SerializationException' },
    ],
    [
      'an empty CBOR body',
      { headers: { ...target('ListStreams'), ...cbor } },
      400,
      { __type: 'SerializationException' },
    ],
    ['an empty body and no operation', { headers: json }, 400, { __type: 'UnknownOperationException' }],
    ['an empty body of no known type', {}, 400, { __type: 'UnknownOperationException' }],
    ['an unknown content type without operation', { body: '{}' }, 403, accessDenied],
    ...['Kinesis_20131202', 'Kinesis_20131202.', '.ListStreams', '.'].map(
      (given): [string, Parameters<typeof send>[1], number, unknown] => [
        `an unknown content type and the target "${given}"`,
        { headers: { 'x-amz-target': given, 'content-type': 'text/plain' }, body: '{}' },
        403,
        accessDenied,
      ],
    ),
    [
      'an unknown content type',
      { headers: { ...target('Whatever'), 'content-type': 'text/plain' }, body: '{}' },
      404,
      '<UnknownOperationException/>\n',
    ],
    ...['nul', '', '"x"', 'null', 'true', '1', '{"a":1', '{}x']
      .filter(Boolean)
      .map((body): [string, Parameters<typeof send>[1], number, unknown] => [
        `a body that is ${body}`,
        { headers: { ...target('Nothing'), ...json }, body },
        400,
        { __type: 'SerializationException' },
      ]),
    [
      'plain JSON that does not parse',
      { headers: { 'content-type': 'application/json' }, body: 'x' },
      400,
      { Output: { __type: 'com.amazon.coral.service#SerializationException' }, Version: '1.0' },
    ],
    [
      'plain JSON',
      { headers: { ...target('ListStreams'), 'content-type': 'application/json' }, body: '{}' },
      404,
      { Output: { __type: 'com.amazon.coral.service#UnknownOperationException' }, Version: '1.0' },
    ],
    [
      'an unknown operation',
      { headers: { ...target('Nothing'), ...json }, body: '{}' },
      400,
      { __type: 'UnknownOperationException' },
    ],
    // Queues came into the service model with botocore 1.44, after the one that is followed here.
    ...['CreateQueue', 'ListQueues', 'ReceiveQueueRecords', 'listStreams', '__proto__', 'constructor'].map(
      (operation): [string, Parameters<typeof send>[1], number, unknown] => [
        `the operation ${operation}, which is none`,
        { headers: { ...signed, ...target(operation), ...json }, body: '{}' },
        400,
        { __type: 'UnknownOperationException' },
      ],
    ),
    [
      'an unknown service',
      { headers: { 'x-amz-target': 'Kinesis_20991231.ListStreams', ...json }, body: '{}' },
      400,
      { __type: 'UnknownOperationException' },
    ],
    [
      'a missing signature, before a wrong type',
      { headers: { ...target('ListStreams'), ...json }, body: '{"Limit":"x"}' },
      400,
      { __type: 'MissingAuthenticationTokenException', message: 'Missing Authentication Token' },
    ],
    [
      'a wrong type, before a broken constraint',
      { headers: { ...signed, ...target('ListStreams'), ...json }, body: '{"Limit":0,"NextToken":true}' },
      400,
      { __type: 'SerializationException', Message: 'class java.lang.Boolean can not be converted to an String' },
    ],
  ]
  for (const [what, request, status, body] of cases)
    for (const isHttp2 of [false, true])
      test(`${what}${isHttp2 ? ', over h2c' : ''}`, async () => {
        const answer = await send(engine.endpoint, { ...request, isHttp2 })
        assert.deepEqual([answer.status, answer.body], [status, body])
        assert.notEqual(answer.headers['x-amzn-requestid'], undefined)
        assert.notEqual(answer.headers['x-amz-id-2'], undefined)
        if (status === 403) assert.equal(answer.headers['content-type'], undefined)
      })

  test('an empty body of another type is answered in CBOR', async () => {
    const answer = await send(engine.endpoint, { headers: { 'content-type': 'application/json' } })
    assert.equal(answer.headers['content-type'], 'application/x-amz-cbor-1.1')
  })
})

describe('1.3 a browser', () => {
  const origin = { origin: 'https://example.com' }

  test('may ask before it calls', async () => {
    const headers = { ...origin, 'access-control-request-headers': 'a, b', 'access-control-request-method': 'POST' }
    const answer = await send(engine.endpoint, { method: 'OPTIONS', headers })
    assert.deepEqual([answer.status, answer.bytes.length, answer.headers['content-length']], [200, 0, '0'])
    assert.equal(answer.headers['access-control-allow-origin'], '*')
    assert.equal(answer.headers['access-control-allow-headers'], 'a, b')
    assert.equal(answer.headers['access-control-allow-methods'], 'POST')
    assert.equal(answer.headers['access-control-max-age'], '172800')
    for (const absent of ['content-type', 'x-amz-id-2', 'access-control-expose-headers'])
      assert.equal(answer.headers[absent], undefined, absent)
  })

  test('gets only what it asked for', async () => {
    const answer = await send(engine.endpoint, { method: 'OPTIONS', headers: origin })
    assert.equal(answer.headers['access-control-allow-headers'], undefined)
    assert.equal(answer.headers['access-control-allow-methods'], undefined)
  })

  test('may read the answers and their ids, good ones and errors', async () => {
    for (const isHttp2 of [false, true])
      for (const [request, status] of [
        [{ method: 'GET' }, 403],
        [{ headers: { ...signed, ...target('ListStreams'), ...json }, body: '{}' }, 200],
        [{ headers: { ...signed, ...target('ListStreams'), ...json }, body: '{"Limit":0}' }, 400],
        [{ headers: json, body: '{' }, 400],
      ] as const) {
        const headers = { ...origin, ...('headers' in request && request.headers) }
        const answer = await send(engine.endpoint, { ...request, headers, isHttp2 })
        assert.equal(answer.status, status)
        assert.equal(answer.headers['access-control-allow-origin'], '*')
        assert.equal(
          answer.headers['access-control-expose-headers'],
          'x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date',
        )
      }
  })

  test('that does not say where it comes from gets nothing of the kind', async () => {
    const answer = await send(engine.endpoint, {
      headers: { ...signed, ...target('ListStreams'), ...json },
      body: '{}',
    })
    for (const absent of ['access-control-allow-origin', 'access-control-expose-headers'])
      assert.equal(answer.headers[absent], undefined)
    assert.equal((await send(engine.endpoint, { method: 'OPTIONS' })).status, 403)
  })
})

describe('1.4 the form of the signature', () => {
  const ask = (headers: Record<string, string>, path = '/'): Promise<WireAnswer> =>
    send(engine.endpoint, { path, headers: { ...target('ListStreams'), ...json, ...headers }, body: '{}' })
  const date = { 'x-amz-date': 'now' }
  const cases: [string, Record<string, string>, string, string, string][] = [
    [
      'twice',
      { authorization: 'AWS4 x' },
      '/?X-Amz-Algorithm=a',
      'InvalidSignatureException',
      "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
    ],
    ['nowhere', {}, '/', 'MissingAuthenticationTokenException', 'Missing Authentication Token'],
    [
      'in a header without anything',
      { authorization: 'AWS4 X=1' },
      '/',
      'IncompleteSignatureException',
      "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4 X=1",
    ],
    [
      'in a header with an empty parameter',
      { ...date, authorization: 'AWS4 Credential=,Signature=b SignedHeaders=c=d' },
      '/',
      'IncompleteSignatureException',
      "Authorization header requires 'Credential' parameter. Authorization=AWS4 Credential=,Signature=b SignedHeaders=c=d",
    ],
    [
      'in a query without anything',
      {},
      '/?X-Amz-Algorithm=a',
      'IncompleteSignatureException',
      "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Signature'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string parameters.",
    ],
  ]
  for (const [where, headers, path, type, message] of cases)
    test(`${where} is refused`, async () => {
      const answer = await ask(headers, path)
      assert.deepEqual([answer.status, answer.body], [400, { __type: type, message }])
    })

  test('with a plain Date header, or whole in the query, is taken', async () => {
    const date = { date: 'Thu, 01 Jan 2026 00:00:00 GMT', authorization: signed.authorization }
    assert.equal((await ask(date)).status, 200)
    const names = ['Algorithm', 'Credential', 'Signature', 'SignedHeaders', 'Date']
    assert.equal((await ask({}, `/?${names.map((name) => `X-Amz-${name}=x`).join('&')}`)).status, 200)
  })
})

describe('1.5 one port', () => {
  test('tells HTTP/1.1 from HTTP/2 when the first bytes come one by one', async () => {
    for (const [text, expected] of [
      ['POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n', /^HTTP\/1\.1 400 /],
      ['PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n', /^HTTP\/1\.1 403 /],
      // The preface and an empty SETTINGS frame; the answer begins with a SETTINGS frame.
      ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', /^0000..04/],
    ] as const) {
      const answer = await talkSlowly(engine.port, text)
      assert.match(expected.source.startsWith('^HTTP') ? answer.toString('latin1') : answer.toString('hex'), expected)
    }
  })

  test('answers over HTTP/1.1 when it is asked to change to h2c, and keeps the connection', async () => {
    const body = '{}'
    const headers = {
      ...signed,
      ...target('ListStreams'),
      ...json,
      host: 'localhost',
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: 'h2c',
      'http2-settings': 'AAMAAABkAAQAAP__',
      'content-length': body.length,
    }
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const request = `POST / HTTP/1.1\r\n${head.join('')}\r\n${body}`
    const answers = await talkTwice(engine.port, request)
    for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 200 OK\r\n(?!connection: close).*"StreamNames"/is)
  })

  test('serves many connections at once, as the SDK for JavaScript opens them', async () => {
    const calls = Array.from({ length: 300 }, (_, index) =>
      ask(engine.endpoint, 'DescribeStreamSummary', { StreamName: 'wire' }, wires[index % wires.length]),
    )
    for (const body of await Promise.all(calls)) assert.equal(body.StreamDescriptionSummary.StreamName, 'wire')
  })
})

/** Sends the request again when it was answered, over the same connection. */
function talkTwice(port: number, request: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(request))
    const answers: string[] = []
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
      const [head = '', body] = answer.split('\r\n\r\n')
      if (body === undefined || body.length < Number(/content-length: (\d+)/i.exec(head)?.[1])) return
      answers.push(answer)
      answer = ''
      if (answers.length < 2) socket.write(request)
      else {
        resolve(answers)
        socket.destroy()
      }
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`closed after ${answers.length} answers`)))
  })
}

/** Sends a byte at a time and answers what came first. */
function talkSlowly(port: number, text: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, async () => {
      for (const byte of Buffer.from(text, 'latin1')) {
        socket.write(Buffer.of(byte))
        await new Promise((next) => setImmediate(next))
      }
    })
    socket.once('data', (chunk) => {
      resolve(chunk)
      socket.destroy()
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed without an answer')))
  })
}
