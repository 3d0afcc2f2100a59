import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { CliPlace } from '../support/cli.ts'
import { startTestEngine } from '../support/engine.ts'

const streams = ['tour', 'text', 'orders', 'golden', 'js', 'tx', 'by', 'bad'].map((name) => ({ name, shardCount: 2 }))
const readAll = ['--from', 'all', '--until-caught-up']

describe('put and get', { concurrency: 2 }, () => {
  let engine: LocalEngine
  let place: CliPlace
  let api: KinesisApi
  before(async () => {
    engine = await startTestEngine({ streams })
    api = createAwsKinesisApi({ endpoint: engine.endpoint })
    const formats: Record<string, string> = { js: 'json', tx: 'text', by: 'bytes' }
    const keys: Record<string, string> = { orders: 'id', golden: 'id', bad: 'id', js: 'id' }
    place = new CliPlace(
      streams
        .map(
          ({ name }) =>
            `${name}:\n  name: ${name}\n  partition_key: ${keys[name] ?? 'msg'}\n  endpoint: ${engine.endpoint}\n` +
            (formats[name] ? `  format: ${formats[name]}\n` : ''),
        )
        .join(''),
    )
  })
  after(async () => {
    api.close()
    await engine.close()
    place[Symbol.dispose]()
  })

  test('a line of text is the record {msg, ts}, and is printed in the old form', async () => {
    const beforeSeconds = Date.now() / 1000
    const put = await place.run(['put', '-s', 'tour'], { input: 'hi\n' })
    assert.deepEqual(put, { exitCode: 0, stdout: '', stderr: '' })
    const got = await place.run(['get', '-s', 'tour', ...readAll])
    const match = /^<Record (shardId-\d{12}) (\d+)>\n\{ msg: 'hi\\n', ts: ([\d.]+) \}\n\n$/.exec(got.stdout)
    assert.ok(match, got.stdout)
    assert.ok(Number(match[3]) >= beforeSeconds && Number(match[3]) <= Date.now() / 1000)
    assert.equal(got.exitCode, 0)
  })

  test('a line of text keeps its newline, an empty line is one, a last line may have none, and bytes stay bytes', async () => {
    const input = Buffer.from('a\n\nz\u00fc\u2028\r\n\xff\nend', 'latin1')
    await place.run(['put', '-s', 'text', '--partition-key', 'k'], { input })
    const { stdout } = await place.run(['get', '-s', 'text', ...readAll, '--format', 'lossless'])
    const messages = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: unknown }).msg)
    assert.deepEqual(messages, [
      'a\n',
      '\n',
      { $bytes: Buffer.from('z\xfc(\r\n', 'latin1').toString('base64') },
      { $bytes: Buffer.from('\xff\n', 'latin1').toString('base64') },
      'end',
    ])
  })

  test('json is printed a record a line, keeps digits and order of keys, and --meta wraps it', async () => {
    const lines = [
      '{"id":"a","z":1,"a":[null,true],"big":12345678901234567890,"whole":3.0}',
      '{"id":"a","text":"\u00fc \\u0000 \\"","deep":{"x":{}}}',
    ]
    await place.run(['put', '-s', 'orders', '--format', 'json'], { input: `${lines.join('\n')}\n\n` })
    const [plain, wrapped, ...single] = await place.runMany([
      ['get', '-s', 'orders', ...readAll, '--json'],
      ['get', '-s', 'orders', ...readAll, '--json', '--meta'],
      ['get', '-s', 'orders', '-d', '0', ...readAll, '--json'],
      ['get', '-s', 'orders', '-d', '1', ...readAll, '--json'],
      ['get', '-s', 'orders', '--from', '2h ago', '--until-caught-up', '--format', 'json'],
    ])
    assert.equal(plain?.stdout, `${lines.join('\n')}\n`)
    // One key lies in one shard; where reading starts may be a time.
    const [inShard0 = '', inShard1 = '', sinceThen] = single.map(({ stdout }) => stdout)
    assert.ok((inShard0 === '') !== (inShard1 === ''))
    assert.equal(inShard0 + inShard1, plain.stdout)
    assert.equal(sinceThen, plain.stdout)
    const [first] = wrapped?.stdout.split('\n') ?? []
    assert.match(
      first ?? '',
      /^\{"shardId":"shardId-\d{12}","sequenceNumber":"\d+","partitionKey":"a","arrivedAt":"\d{4}-[^"]+Z","data":\{"id":"a"/,
    )
    assert.ok(first?.endsWith(`"data":${lines[0]}}`))
  })

  test('every golden record goes through put and get of lossless lines unharmed', async () => {
    const golden = [...goldenLines('py-records'), ...goldenLines('go-records')]
    assert.ok(golden.length > 50)
    await place.run(['put', '-s', 'golden', '--format', 'lossless', '--partition-key', 'k'], {
      input: golden.map((line) => `${line}\n`).join(''),
    })
    const got = await place.run(['get', '-s', 'golden', ...readAll, '--format', 'lossless'])
    const lines = got.stdout.trimEnd().split('\n')
    assert.equal(lines.length, golden.length)
    for (const [index, line] of lines.entries()) assert.deepEqual(JSON.parse(line), JSON.parse(golden[index] ?? ''))
    // And once more: what get printed is exactly what put and get print again.
    await place.run(['put', '-s', 'golden', '--format', 'lossless', '--partition-key', 'k'], { input: got.stdout })
    const again = await place.run(['get', '-s', 'golden', ...readAll, '--format', 'lossless'])
    assert.equal(again.stdout, got.stdout + got.stdout)
  })

  test('streams of JSON, text and bytes go through lossless lines unharmed, too', async () => {
    const cases: [stream: string, lines: string][] = [
      ['js', '{"$id":1.0,"n":123456789012345678901234567890}\n[1]\n"x"\n'],
      ['tx', '"line one\\nline two"\n""\n'],
      ['by', '{"$bytes":"/wA="}\n{"$bytes":""}\n'],
    ]
    for (const [stream, lines] of cases) {
      const put = await place.run(['put', '-s', stream, '--format', 'lossless', '--partition-key', 'k'], {
        input: lines,
      })
      assert.deepEqual([put.exitCode, put.stderr], [0, ''], stream)
    }
    const got = await place.runMany(cases.map(([stream]) => ['get', '-s', stream, ...readAll, '--format', 'lossless']))
    assert.deepEqual(
      got.map(({ stdout }) => stdout),
      cases.map(([, lines]) => lines),
    )
  })

  test('lines that are no records are told by number, the others are put, and records that do not decode are told', async () => {
    const input = `{"id":"1"}\nnope\n\n{"no":"id"}\n[1]\n{"id":""}\n{"id":"${'k'.repeat(257)}"}\n{"id":"2"}\n{"id":"3","x":"${'y'.repeat(1_200_000)}"}\n{"id":"4"}\n`
    const put = await place.run(['put', '-s', 'bad', '--format', 'json'], { input })
    assert.equal(put.exitCode, 1)
    assert.equal(put.stdout, '')
    for (const told of [
      /line 2: /,
      /line 4: .*'id'/,
      /line 5: .*object/,
      /line 6: .*empty/,
      /line 7: .*257/,
      /line 9: .*larger/,
    ])
      assert.match(put.stderr, told)
    assert.match(put.stderr, /put 3 lines; failed: 6\n$/)

    await api.putRecords('bad', [{ data: Buffer.from([0xc1, 0xff]), partitionKey: 'x' }])
    const [json, meta, text] = await place.runMany([
      ['get', '-s', 'bad', ...readAll, '--json'],
      ['get', '-s', 'bad', ...readAll, '--json', '--meta'],
      ['get', '-s', 'bad', ...readAll],
    ])
    assert.ok(json && meta && text)
    assert.deepEqual(json.stdout.trimEnd().split('\n').sort(), ['{"id":"1"}', '{"id":"2"}', '{"id":"4"}'])
    assert.equal(json.exitCode, 0)
    assert.match(json.stderr, /does not decode/)
    assert.match(json.stderr, /1 records did not decode\n$/)
    const told = meta.stdout.split('\n').find((line) => line.includes('"error"'))
    assert.equal((JSON.parse(told ?? '{}') as { bytes: string }).bytes, 'wf8=')
    assert.match(text.stdout, /<Record shardId-\d{12} \d+>\n\(does not decode: .*\) wf8=\n\n/)
  })

  test('a line of text cannot give a partition key that only records have', async () => {
    const put = await place.run(['put', '-s', 'orders'], { input: 'hi\n' })
    assert.equal(put.exitCode, 2)
    assert.match(put.stderr, /no field "id", which is the partition key of orders: give --partition-key/)
  })
})

function goldenLines(name: string): string[] {
  const file = join(import.meta.dirname, '../golden/records', `${name}.expected.jsonl.gz`)
  return gunzipSync(readFileSync(file))
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => /"value":\s*(.*)\}$/s.exec(line)?.[1] ?? '')
    .filter((value) => value.startsWith('{') && value.length < 300_000)
}
