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

test('a replay that is interrupted or killed goes on: nothing is missing, and after an interrupt nothing comes twice', async () => {
  await using engine = await startTestEngine({
    streams: ['orders', 'copy', 'again'].map((name) => ({ name, shardCount: 2 })),
  })
  using place = new CliPlace(
    ['orders', 'copy', 'again']
      .map((name) => `${name}: { name: ${name}, partition_key: id, endpoint: '${engine.endpoint}' }\n`)
      .join(''),
  )
  place.env['TRITON_DB'] = `sqlite://${join(place.directory, 'checkpoints.db')}`
  const url = pathToFileURL(place.directory).href
  const api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
  const count = 4_000
  try {
    for (let from = 0; from < count; from += 500)
      await api.putRecords(
        'orders',
        Array.from({ length: 500 }, (_, n) => ({ data: encodeMsgpack({ n: from + n }), partitionKey: `key-${n % 9}` })),
      )
    assert.equal((await place.run(['store', '-s', 'orders', '--store', url, '--until-caught-up'])).exitCode, 0)
    const numbersIn = async (stream: string) => {
      const { stdout } = await place.run([
        'get',
        '-s',
        stream,
        '--from',
        'all',
        '--until-caught-up',
        '--format',
        'json',
      ])
      const lines = stdout.split('\n').filter((line) => line !== '')
      return lines.map((line) => (JSON.parse(line) as { n: number }).n).sort((left, right) => left - right)
    }
    const all = Array.from({ length: count }, (_, n) => n)
    const start = ['replay', '-s', 'orders', '--store', url, '-t', dayOf(Date.now() - 86_400_000)]
    for (const [stream, signal] of [
      ['copy', 'SIGINT'],
      ['again', 'SIGKILL'],
    ] as const) {
      const words = [...start, '-e', dayOf(Date.now()), '--to-stream', stream, '--checkpoint-client', stream]
      await using running = place.start([...words, '--rate', '500/s'])
      // Some of it has arrived, and most of it can't have.
      const iterator = await api.getShardIterator(stream, 'shardId-000000000000', { type: 'TRIM_HORIZON' })
      while ((await api.getRecords(iterator, 10)).records.length === 0)
        assert.equal(running.child.exitCode, null, running.stderr)
      running.child.kill(signal)
      const { exitCode, stderr } = await running.ended()
      assert.equal(exitCode, signal === 'SIGINT' ? 0 : null, stderr)
      assert.ok((await numbersIn(stream)).length < count)
      const rest = await place.run(words)
      assert.equal(rest.exitCode, 0, rest.stderr)
      const found = await numbersIn(stream)
      assert.deepEqual(signal === 'SIGINT' ? found : [...new Set(found)], all)
    }

    const itself = await place.run([...start, '--to-stream', 'orders', '--then', 'live'])
    assert.equal(itself.exitCode, 2)
    assert.match(itself.stderr, /--to-stream orders is the stream itself: with --then live/)
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
