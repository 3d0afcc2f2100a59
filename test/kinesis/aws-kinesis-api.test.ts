import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createNetServer, type Server as NetServer } from 'node:net'
import { test } from 'node:test'
import { GetRecordsCommand, GetShardIteratorCommand, KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { ClosedError } from '../../src/errors.ts'
import { type AwsKinesisOptions, createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import { CborWriter } from '../../src/kinesis/cbor.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import { KinesisCallError } from '../../src/kinesis/retry-class.ts'
import type { FaultRule } from '../../src/local/fault-rule.ts'
import { startTestEngine } from '../support/engine.ts'

const oneRecord = [{ data: Buffer.from('hi mom'), partitionKey: 'a' }]

test('every call works on the engine, and tells what a plain SDK client tells', async () => {
  await using engine = await startTestEngine()
  using api = open({ endpoint: engine.endpoint })
  await api.createStream('orders', 2)
  await api.createStream('others', 1)
  assert.deepEqual(await api.listStreams(), ['orders', 'others'])
  const summary = await api.describeStreamSummary('orders')
  assert.equal(summary.openShardCount, 2)
  assert.equal(summary.maxRecordBytes, 1024 * 1024)
  assert.equal(summary.retentionHours, 24)
  assert.ok(Math.abs(Date.now() - summary.createdAtMs) < 60_000)

  const entries = [
    { data: Buffer.from([0, 255, 128]), partitionKey: 'Schlüssel 😀' },
    { data: Buffer.alloc(0), partitionKey: 'b', explicitHashKey: '0' },
    { data: Buffer.alloc(70_000, 7), partitionKey: 'k'.repeat(256), explicitHashKey: String((1n << 128n) - 1n) },
  ]
  const answers = await api.putRecords('orders', entries)
  assert.deepEqual(
    answers.slice(1).map((answer) => 'shardId' in answer && answer.shardId),
    ['shardId-000000000000', 'shardId-000000000001'],
  )
  using sdk = plainSdk(engine.endpoint)
  for (const shard of await api.listShards('orders')) {
    const iterator = await api.getShardIterator('orders', shard.shardId, { type: 'TRIM_HORIZON' })
    const page = await api.getRecords(iterator, 100)
    const theirs = await sdk.client.send(
      new GetShardIteratorCommand({
        StreamName: 'orders',
        ShardId: shard.shardId,
        ShardIteratorType: 'TRIM_HORIZON',
      }),
    )
    const { Records = [] } = await sdk.client.send(new GetRecordsCommand({ ShardIterator: theirs.ShardIterator }))
    assert.deepEqual(
      [...page.records].map(({ sequenceNumber, partitionKey, bytes, arrivedAtMs }) => {
        return { sequenceNumber, partitionKey, data: Buffer.from(bytes).toString('hex'), arrivedAtMs }
      }),
      Records.map(({ SequenceNumber, PartitionKey, Data, ApproximateArrivalTimestamp }) => ({
        sequenceNumber: SequenceNumber,
        partitionKey: PartitionKey,
        data: Buffer.from(Data ?? []).toString('hex'),
        arrivedAtMs: ApproximateArrivalTimestamp?.getTime(),
      })),
    )
    assert.ok(
      [...page.records].every(({ partitionKey }) => entries.some((entry) => entry.partitionKey === partitionKey)),
    )
  }
  await api.deleteStream('others')
  assert.deepEqual(await api.listStreams(), ['orders'])
})

test('an iterator starts where each kind of position says', async () => {
  await using engine = await startTestEngine({ streams: [{ name: 'orders', shardCount: 1 }] })
  using api = open({ endpoint: engine.endpoint })
  const shardId = 'shardId-000000000000'
  const beforeMs = Date.now()
  const answers = await api.putRecords('orders', [...oneRecord, ...oneRecord, ...oneRecord])
  const [, second] = answers.map((answer) => ('sequenceNumber' in answer ? answer.sequenceNumber : ''))
  assert.ok(second)
  const counts = []
  for (const position of [
    { type: 'TRIM_HORIZON' },
    { type: 'LATEST' },
    { type: 'AT_SEQUENCE_NUMBER', sequenceNumber: second },
    { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber: second },
    { type: 'AT_TIMESTAMP', timestampMs: beforeMs - 1000 },
  ] as const) {
    const page = await api.getRecords(await api.getShardIterator('orders', shardId, position), 10)
    counts.push(page.records.length)
    assert.ok(page.nextShardIterator)
    assert.equal(page.childShards, undefined)
  }
  assert.deepEqual(counts, [3, 0, 2, 1, 3])
})

test('splits, merges and updates of the shard count show in the shard list, and a closed shard ends with its children', async () => {
  await using engine = await startTestEngine({ streams: [{ name: 'orders', shardCount: 1 }] })
  using api = open({ endpoint: engine.endpoint })
  await api.splitShard('orders', 'shardId-000000000000', 1n << 127n)
  await api.mergeShards('orders', 'shardId-000000000001', 'shardId-000000000002')
  await api.updateShardCount('orders', 2)
  const shards = await api.listShards('orders')
  assert.deepEqual(
    shards.map(({ shardId, parentShardId, adjacentParentShardId, endingSequenceNumber }) => [
      shardId.slice(-1),
      parentShardId?.slice(-1),
      adjacentParentShardId?.slice(-1),
      endingSequenceNumber !== undefined,
    ]),
    [
      ['0', undefined, undefined, true],
      ['1', '0', undefined, true],
      ['2', '0', undefined, true],
      ['3', '1', '2', true],
      ['4', '3', undefined, false],
      ['5', '3', undefined, false],
    ],
  )
  assert.equal(shards[4]?.hashKeyRange.end, (1n << 127n) - 1n)
  const iterator = await api.getShardIterator('orders', 'shardId-000000000001', { type: 'LATEST' })
  const end = await api.getRecords(iterator, 10)
  assert.equal(end.nextShardIterator, undefined)
  assert.deepEqual(end.childShards, [
    { shardId: 'shardId-000000000003', parentShardIds: ['shardId-000000000001', 'shardId-000000000002'] },
  ])
})

test('what Kinesis refuses is told in its own words, with its class', async () => {
  await using engine = await startTestEngine({ streams: [{ name: 'orders', shardCount: 1 }] })
  using api = open({ endpoint: engine.endpoint })
  const shardId = 'shardId-000000000000'
  const cases: [() => Promise<unknown>, string, string, RegExp][] = [
    [
      () => api.putRecords('nope', oneRecord),
      'not-found',
      'ResourceNotFoundException',
      /PutRecords of stream nope: .*not found/,
    ],
    [() => api.createStream('orders', 1), 'refused', 'ResourceInUseException', /already exists/],
    [() => api.putRecords('orders', []), 'refused', 'ValidationException', /at 'records'/],
    [() => api.getRecords('garbage', 10), 'refused', 'InvalidArgumentException', /GetRecords: .*Invalid ShardIterator/],
    [() => api.mergeShards('orders', shardId, shardId), 'refused', 'InvalidArgumentException', /not an adjacent pair/],
  ]
  for (const [call, retryClass, errorCode, message] of cases) {
    const error = await errorOf(call())
    assert.deepEqual([error.retryClass, error.errorCode, error.mayHaveBeenWritten], [retryClass, errorCode, false])
    assert.match(error.message, message)
    assert.match(error.message, /\(HTTP 400, request [0-9a-f-]{36}\)$/)
  }
})

test('what goes wrong on the way has a class, and says whether the put may have happened', async () => {
  const cases: [FaultRule['action'], string, string, boolean, RegExp][] = [
    ['throttle', 'throttled', 'ProvisionedThroughputExceededException', false, /Rate exceeded/],
    ['internal-failure', 'transient', 'InternalFailure', true, /InternalFailure/],
    ['cut-before', 'transient', 'ECONNRESET', true, /gave no answer: socket hang up/],
    ['cut-after', 'transient', 'ECONNRESET', true, /gave no answer: socket hang up/],
    ['answer-lost', 'transient', 'ETIMEDOUT', true, /gave no answer: .*200 ms/],
    ['garbage-body', 'transient', 'UnreadableAnswer', true, /did not answer as Kinesis does/],
    ['half-body', 'transient', 'ECONNRESET', true, /broke off in the middle of its answer/],
  ]
  await using engine = await startTestEngine({ streams: [{ name: 'orders', shardCount: 1 }] })
  using api = open({ endpoint: engine.endpoint })
  using impatient = open({ endpoint: engine.endpoint, requestTimeoutMs: 200 })
  for (const [action, retryClass, errorCode, mayHaveBeenWritten, message] of cases) {
    engine.setFaults([{ action, count: 1 }])
    const error = await errorOf((action === 'answer-lost' ? impatient : api).putRecords('orders', oneRecord))
    assert.deepEqual(
      [error.retryClass, error.errorCode, error.mayHaveBeenWritten],
      [retryClass, errorCode, mayHaveBeenWritten],
      action,
    )
    assert.match(error.message, message)
    assert.equal((await api.putRecords('orders', oneRecord)).length, 1, `after ${action}`)
  }
})

test('answers that are not from Kinesis are told as they came', async () => {
  const html = '<html><body>Bad Gateway\u001b[31m</body></html>'
  const cases: [number, string | Buffer, Record<string, string>, string, string, RegExp][] = [
    [
      502,
      html,
      { 'content-type': 'text/html' },
      'transient',
      'HTTP 502',
      /answered HTTP 502 and "<html><body>Bad Gateway \[31m<\/body>/,
    ],
    [500, '', {}, 'transient', 'HTTP 500', /answered HTTP 500 and nothing else/],
    [407, html, {}, 'denied', 'HTTP 407', /HTTP 407/],
    [413, '', {}, 'refused', 'HTTP 413', /HTTP 413/],
    [429, '', {}, 'throttled', 'HTTP 429', /HTTP 429/],
    [
      200,
      html,
      { 'content-type': 'text/html' },
      'transient',
      'UnreadableAnswer',
      /42 bytes of text\/html came, beginning "<html>/,
    ],
    [200, '', {}, 'transient', 'UnreadableAnswer', /nothing came/],
    [200, encoded({ Records: [] }), {}, 'transient', 'UnreadableAnswer', /asked for 1 records and answered about 0/],
    [200, encoded('text'), {}, 'transient', 'UnreadableAnswer', /expected a map/],
    [
      400,
      '{"__type":"com.amazonaws.kinesis#ProvisionedThroughputExceededException","message":"slow"}',
      {},
      'throttled',
      'ProvisionedThroughputExceededException',
      /: slow \(HTTP 400\)/,
    ],
    [
      400,
      encoded({ __type: 'SerializationException', Message: 'odd' }),
      {},
      'refused',
      'SerializationException',
      /odd/,
    ],
    [
      400,
      '',
      { 'x-amzn-errortype': 'LimitExceededException:http://x' },
      'refused',
      'LimitExceededException',
      /no reason/,
    ],
    [400, '{"__type":"ExpiredIteratorException"}', {}, 'expired-iterator', 'ExpiredIteratorException', /no reason/],
    [503, '{"__type":"ServiceUnavailable"}', {}, 'transient', 'ServiceUnavailable', /no reason/],
  ]
  for (const [status, body, headers, retryClass, errorCode, message] of cases) {
    await using server = await serve((_request, response) => response.writeHead(status, headers).end(body))
    using api = open({ endpoint: server.endpoint })
    const error = await errorOf(api.putRecords('orders', oneRecord))
    assert.deepEqual([error.retryClass, error.errorCode], [retryClass, errorCode], String(body))
    assert.match(error.message, message)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the point
    assert.doesNotMatch(error.message, /[\u0000-\u001f]/)
  }
})

test('an answer to GetRecords without records is no end of a shard', async () => {
  for (const answer of [{}, { Records: null }, { MillisBehindLatest: 0, ChildShards: [] }]) {
    await using server = await serve((_request, response) => response.writeHead(200).end(encoded(answer)))
    using api = open({ endpoint: server.endpoint })
    const error = await errorOf(api.getRecords('iterator', 10))
    assert.deepEqual([error.retryClass, error.errorCode], ['transient', 'UnreadableAnswer'])
    assert.match(error.message, /an answer without Records/)
  }
})

test('an answer that stops in the middle is given up after the time for a request', async () => {
  await using server = await serve((_request, response) => {
    response.writeHead(200, { 'content-length': '1000' })
    response.write('half')
  })
  using api = open({ endpoint: server.endpoint, requestTimeoutMs: 100 })
  const error = await errorOf(api.putRecords('orders', oneRecord))
  assert.deepEqual([error.retryClass, error.mayHaveBeenWritten], ['transient', true])
})

test('an endpoint that can not be reached surely has nothing written, and is named', async () => {
  for (const [endpoint, code, message] of [
    ['http://127.0.0.1:1', 'ECONNREFUSED', /http:\/\/127\.0\.0\.1:1 could not be reached: connect ECONNREFUSED/],
    ['http://localhost:1', 'ECONNREFUSED', /http:\/\/localhost:1 could not be reached: connect ECONNREFUSED/],
    ['http://nowhere.invalid', /^(ENOTFOUND|EAI_AGAIN)$/, /http:\/\/nowhere\.invalid could not be reached/],
  ] as const) {
    using api = open({ endpoint, credentials: { accessKeyId: 'k', secretAccessKey: 's' }, region: 'us-east-1' })
    const error = await errorOf(api.listStreams())
    assert.deepEqual([error.retryClass, error.mayHaveBeenWritten], ['transient', false])
    assert.match(error.errorCode, new RegExp(code))
    assert.match(error.message, message)
  }
})

test('where nobody speaks TLS, surely nothing is written, and the words of OpenSSL are told without its traces', async () => {
  const cases: [server: NetServer, retryClass: string, errorCode: string, told: RegExp][] = [
    [createServer(), 'denied', 'EPROTO', /could not be reached: write EPROTO wrong version number\.$/],
    [
      createNetServer((socket) => socket.on('data', () => socket.destroy())),
      'transient',
      'ECONNRESET',
      /could not be reached: .*before secure TLS/,
    ],
  ]
  for (const [server, retryClass, errorCode, told] of cases) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    await using _ = { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())) }
    using api = open({ endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}` })
    const error = await errorOf(api.putRecords('orders', oneRecord))
    assert.deepEqual([error.retryClass, error.errorCode, error.mayHaveBeenWritten], [retryClass, errorCode, false])
    assert.match(error.message, told)
  }
})

test('one connection is kept for calls that follow one another, and requests are signed and spoken as they should', async () => {
  const requests: { [name: string]: string | string[] | undefined }[] = []
  await using server = await serve((request, response) => {
    requests.push({ ...request.headers, path: request.url, version: request.httpVersion })
    request.resume().on('end', () => response.end(encoded({ StreamNames: [], HasMoreStreams: false })))
  })
  using api = open({
    endpoint: `${server.endpoint}/base`,
    region: 'eu-west-3',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' },
  })
  for (let call = 0; call < 20; call++) await api.listStreams()
  assert.equal(server.connectionCount, 1)
  const [first] = requests
  assert.equal(first?.['version'], '1.1')
  assert.equal(first?.['path'], '/base/')
  assert.equal(first?.['content-type'], 'application/x-amz-cbor-1.1')
  assert.equal(first?.['x-amz-target'], 'Kinesis_20131202.ListStreams')
  assert.equal(first?.['x-amz-security-token'], 'token')
  assert.match(String(first?.['authorization']), /AKIDEXAMPLE\/\d{8}\/eu-west-3\/kinesis\/aws4_request/)
  assert.match(String(first?.['user-agent']), /aws-sdk-js\/3/)
})

test('a call ends with a ClosedError when its signal fires, before, during and after the connection', async () => {
  await using server = await serve(() => {})
  using api = open({ endpoint: server.endpoint })
  await assert.rejects(api.listStreams(AbortSignal.abort()), ClosedError)
  const caller = new AbortController()
  const call = api.putRecords('orders', oneRecord, caller.signal)
  await server.requested
  caller.abort()
  await assert.rejects(
    call,
    (error) => error instanceof ClosedError && /PutRecords of stream orders was called off/.test(error.message),
  )
})

test('close ends calls under way, may be called twice, and refuses later calls', async () => {
  await using server = await serve(() => {})
  const api = createAwsKinesisApi({ endpoint: server.endpoint })
  const call = api.listStreams()
  await server.requested
  api.close()
  api.close()
  await assert.rejects(call, ClosedError)
  await assert.rejects(api.listStreams(), ClosedError)
})

test('the codec is read by a plain SDK: what it puts we read, and the other way round', async () => {
  await using engine = await startTestEngine({ streams: [{ name: 'orders', shardCount: 1 }] })
  using sdk = plainSdk(engine.endpoint)
  using api = open({ endpoint: engine.endpoint })
  await sdk.client.send(
    new PutRecordsCommand({ StreamName: 'orders', Records: [{ Data: Buffer.from('theirs'), PartitionKey: 'ключ' }] }),
  )
  const iterator = await api.getShardIterator('orders', 'shardId-000000000000', { type: 'TRIM_HORIZON' })
  const { records } = await api.getRecords(iterator, 10)
  assert.deepEqual(
    [...records].map(({ bytes, partitionKey }) => [Buffer.from(bytes).toString(), partitionKey]),
    [['theirs', 'ключ']],
  )
})

function open(options: AwsKinesisOptions): KinesisApi & Disposable {
  const api = createAwsKinesisApi(options)
  return Object.assign(api, { [Symbol.dispose]: () => api.close() })
}

function plainSdk(endpoint: string): { client: KinesisClient } & Disposable {
  const client = new KinesisClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'k', secretAccessKey: 's' },
    requestHandler: new NodeHttpHandler(),
  })
  return { client, [Symbol.dispose]: () => client.destroy() }
}

async function serve(answer: RequestListener) {
  const server = createServer(answer)
  let connectionCount = 0
  server.on('connection', () => connectionCount++)
  const requested = once(server, 'request')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requested,
    get connectionCount() {
      return connectionCount
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function errorOf(call: Promise<unknown>): Promise<KinesisCallError> {
  const error = await call.then(
    () => assert.fail('the call succeeded'),
    (reason) => reason,
  )
  assert.ok(error instanceof KinesisCallError, String(error))
  return error
}

function encoded(value: ConstructorParameters<typeof CborWriter>[0] | object | string): Buffer {
  const writer = new CborWriter()
  writer.value(value as Parameters<CborWriter['value']>[0])
  return writer.finish()
}
