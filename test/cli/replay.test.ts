import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { dayOf } from '../../src/archive/archive-key.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { CliPlace } from '../support/cli.ts'
import { startTestEngine } from '../support/engine.ts'

const treeUrl = pathToFileURL(join(import.meta.dirname, '../golden/tree')).href

test('the past goes into another stream with its own keys, and a later run goes on', async () => {
  await using engine = await startTestEngine({
    streams: ['orders', 'copy'].map((name) => ({ name, shardCount: 2 })),
  })
  const api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
  using place = new CliPlace(
    ['orders', 'copy']
      .map((name) => `${name}: { name: ${name}, partition_key: id, endpoint: '${engine.endpoint}' }\n`)
      .join(''),
  )
  place.env['TRITON_DB'] = `sqlite://${join(place.directory, 'checkpoints.db')}`
  const url = pathToFileURL(place.directory).href
  const put = (from: number, to: number) =>
    api.putRecords(
      'orders',
      Array.from({ length: to - from }, (_, n) => ({
        data: encodeMsgpack({ n: from + n }),
        partitionKey: `key-${(from + n) % 9}`,
      })),
    )
  const stored = () => place.run(['store', '-s', 'orders', '--store', url, '--until-caught-up'])
  const start = dayOf(Date.now())
  const words = ['replay', '-s', 'orders', '--store', url, '-t', start]
  try {
    await put(0, 100)
    assert.equal((await stored()).exitCode, 0)
    const into = [
      ...words,
      '--to-stream',
      'copy',
      '--checkpoint-client',
      'copying',
      '--then',
      'live',
      '--until-caught-up',
    ]
    const first = await place.run(into)
    assert.equal(first.exitCode, 0, first.stderr)
    assert.match(first.stderr, /put 100 records into copy/)
    await put(100, 150)
    const second = await place.run(into)
    assert.match(second.stderr, /put 50 records into copy/)
    const printed = await place.run(['get', '-s', 'copy', '--from', 'all', '--until-caught-up', '--json', '--meta'])
    const copied = printed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { partitionKey: string; data: { n: number } })
    assert.deepEqual(
      copied.map(({ data }) => data.n).sort((left, right) => left - right),
      Array.from({ length: 150 }, (_, n) => n),
    )
    assert.ok(copied.every(({ partitionKey, data }) => partitionKey === `key-${data.n % 9}`))

    const lines = await place.run([...words, '--rate', '100000/s'])
    assert.equal(lines.stdout.split('\n').length, 101)
    const live = await place.run([...words, '--then', 'live', '--until-caught-up'])
    assert.equal(live.stdout.split('\n').length, 151)
  } finally {
    api.close()
  }
})

test('what needs to know where records came from refuses archives that do not say', async () => {
  using place = new CliPlace(`solo: { name: solo, partition_key: id, endpoint: 'http://127.0.0.1:1' }\n`)
  place.env['TRITON_DB'] = `sqlite://${join(place.directory, 'checkpoints.db')}`
  const words = ['replay', '-s', 'solo', '--store', treeUrl, '-t', '20151130', '-e', '20151202']
  const plain = await place.run(words)
  assert.equal(plain.exitCode, 0, plain.stderr)
  assert.equal(plain.stdout.trim().split('\n').length, 6)
  const live = words.slice(0, -2)
  for (const [args, exitCode, pattern] of [
    [[...live, '--then', 'live'], 1, /older program wrote it: going on live needs archives of "triton store"/],
    [[...words, '--rate', '2x'], 1, /the original pace needs archives/],
    [[...words, '--checkpoint-client', 'x'], 1, /a checkpoint needs archives/],
    [[...words, '--then', 'live'], 2, /choose one/],
    [[...words, '--rate', '0x'], 2, /must be records a second/],
    [['replay', '-s', 'solo', '--store', treeUrl], 2, /--start-date/],
  ] as const) {
    const result = await place.run(args)
    assert.match(result.stderr, pattern)
    assert.equal(result.exitCode, exitCode)
  }
})
