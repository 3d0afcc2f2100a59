import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EngineView } from '../../../src/local/console/engine-view.ts'
import { showData, visible } from '../../../src/local/console/show-data.ts'
import { encodeMsgpack } from '../../../src/record/msgpack-encode.ts'
import { startTestEngine } from '../../support/engine.ts'
import { ask, send } from '../wire-client.ts'

/** What the page is told. */
describe('data is shown', () => {
  const cases: [string, Buffer, string, string][] = [
    ['nothing', Buffer.alloc(0), 'empty', ''],
    ['JSON', Buffer.from('{"a": 1}'), 'json', '{"a":1}'],
    ['text that is a number', Buffer.from('12'), 'text', '12'],
    ['text', Buffer.from('hi\nthere'), 'text', 'hi\\u000athere'],
    ['half JSON', Buffer.from('{"a":'), 'text', '{"a":'],
    [
      'msgpack',
      Buffer.from(encodeMsgpack({ big: 2n ** 63n, is: true }, {})),
      'msgpack',
      '{"big":9223372036854775808,"is":true}',
    ],
    ['an aggregate of the KPL', Buffer.from('f3899ac20a01', 'hex'), 'aggregate', 'f3 89 9a c2 0a 01'],
    ['bytes', Buffer.of(0xff, 0, 0x80), 'bytes', 'ff 00 80'],
    ['msgpack that breaks off', Buffer.of(0x82, 0xa1), 'bytes', '82 a1'],
  ]
  for (const [name, data, kind, text] of cases)
    test(`when it is ${name}`, () => {
      assert.deepEqual(showData(data), { kind, text, byteCount: data.length, isCut: false })
    })

  test('in part when it is long, and not decoded when it is very long', () => {
    const long = showData(Buffer.from(JSON.stringify({ a: 'x'.repeat(5_000) })))
    assert.deepEqual([long.kind, long.text.length, long.isCut, long.byteCount], ['json', 2_000, true, 5_008])
    const huge = showData(Buffer.from(JSON.stringify({ a: 'é'.repeat(500_000) })))
    assert.deepEqual([huge.kind, huge.isCut], ['text', true])
    const bytes = showData(Buffer.alloc(1_000_000, 0xff))
    assert.deepEqual([bytes.kind, bytes.isCut, bytes.text.length], ['bytes', true, 256 * 3 - 1])
  })

  test('without characters that hide or turn others', () => {
    assert.equal(visible('a\u202eb\u0000c\u200bd\u{1f600}'), 'a\\u202eb\\u0000c\\u200bd\u{1f600}')
  })
})

describe('the view of an engine', () => {
  test('counts what goes in and out of each stream and shard, and tells the latest records of large ones too', async () => {
    await using engine = await startTestEngine({ streams: [{ name: 's', shardCount: 2 }] })
    const view = async (query: string) =>
      (await send(engine.endpoint, { method: 'GET', path: `/_triton/view?${query}` })).body as unknown as EngineView
    const put = (text: string, ExplicitHashKey: string) =>
      ask(engine.endpoint, 'PutRecord', {
        StreamName: 's',
        PartitionKey: 'key',
        Data: Buffer.from(text),
        ExplicitHashKey,
      })
    for (let at = 0; at < 60; at++) await put(`small ${at}`, '0')
    const { SequenceNumber } = await put('x'.repeat(600_000), '0')
    const start = { StreamName: 's', ShardId: '0', ShardIteratorType: 'TRIM_HORIZON' }
    const { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', start)
    await ask(engine.endpoint, 'GetRecords', { ShardIterator, Limit: 3 })

    const { streams, stream } = await view('stream=s')
    const counts = { putRecords: 61, putBytes: 61 * 3 + 10 * 7 + 50 * 8 + 600_000, getRecords: 3, getBytes: 30 }
    assert.deepEqual(streams, [{ name: 's', status: 'ACTIVE', openShardCount: 2, ...counts }])
    const [first, second] = stream?.shards ?? []
    assert.deepEqual([first?.putRecords, first?.getBytes, second?.putRecords], [61, 30, 0])
    assert.deepEqual([first?.from, first?.to, second?.from, second?.to], [0, 0.5, 0.5, 1])
    assert.equal(stream?.records[0]?.sequenceNumber, SequenceNumber)
    assert.equal(stream?.records[0]?.text.length, 2_000)

    assert.deepEqual((await view('stream=s&shard=1')).stream?.records, [])
    assert.equal((await view('stream=none')).stream, undefined)
    for (let at = 0; at < 40; at++) await put(`later ${at}`, '0')
    const texts = (await view('stream=s&shard=0')).stream?.records.map(({ text }) => text)
    assert.deepEqual(
      texts,
      Array.from({ length: 25 }, (_, at) => `later ${39 - at}`),
    )
  })

  test('of many shards tells how many there are, and shows as many as one can look at', async () => {
    const streams = [{ name: 'many', shardCount: 3_000 }]
    await using engine = await startTestEngine({ shardLimit: 10_000, streams })
    const { body } = await send(engine.endpoint, { method: 'GET', path: '/_triton/view?stream=many' })
    const { stream } = body as unknown as EngineView
    assert.deepEqual([stream?.shardCount, stream?.openShardCount, stream?.shards.length], [3_000, 3_000, 1_000])
  })
})
