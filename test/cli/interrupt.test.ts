import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { CliPlace, programWords } from '../support/cli.ts'
import { startTestEngine } from '../support/engine.ts'

describe('a command that is stopped', { concurrency: 2 }, () => {
  let engine: LocalEngine
  let place: CliPlace
  let api: KinesisApi
  const streams = ['live', 'many', 'slow', 'cut'].map((name) => ({ name, shardCount: 1 }))
  before(async () => {
    engine = await startTestEngine({ streams })
    api = createAwsKinesisApi({ endpoint: engine.endpoint })
    place = new CliPlace(
      streams
        .map(({ name }) => `${name}:\n  name: ${name}\n  partition_key: id\n  endpoint: ${engine.endpoint}\n`)
        .join(''),
    )
  })
  after(async () => {
    api.close()
    await engine.close()
    place[Symbol.dispose]()
  })

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`get prints what was fetched and ends with exit code 0 at ${signal}`, async () => {
      const get = place.start(['get', '-s', 'live', '--from', 'all', '--json', '-v'])
      await get.until(({ stderr }) => stderr.includes('shard-started'))
      await api.putRecords('live', [{ data: Buffer.from([0x81, 0xa2, 0x69, 0x64, 0x01]), partitionKey: 'k' }])
      await get.until(({ stdout }) => stdout.includes('{"id":1}\n'))
      get.child.kill(signal)
      const { exitCode, stdout, stderr } = await get.ended()
      assert.equal(exitCode, 0, stderr)
      assert.match(stdout, /^(\{"id":1\}\n)+$/)
    })
  }

  test('get ends quietly when head has enough', async () => {
    const entry = { data: Buffer.from([0x81, 0xa2, 0x69, 0x64, 0x01]), partitionKey: 'k' }
    for (let count = 0; count < 40; count++) await api.putRecords('many', Array(500).fill(entry))
    const words = [...programWords, 'get', '-s', 'many', '--from', 'all', '--json']
    const shell = spawn(
      'bash',
      ['-c', '"$@" | head -n 3; echo "exit code $PIPESTATUS"', 'bash', process.execPath, ...words],
      { env: place.env, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const [stdout, stderr] = await Promise.all([text(shell.stdout), text(shell.stderr)])
    assert.equal(stdout, '{"id":1}\n{"id":1}\n{"id":1}\nexit code 0\n')
    assert.equal(stderr, '')
  })

  test('help ends quietly when nobody reads it', async () => {
    const shell = spawn(
      'bash',
      ['-c', '"$@" | true; echo "exit code $PIPESTATUS"', 'bash', process.execPath, ...programWords, 'get', '--help'],
      { env: place.env, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const [stdout, stderr] = await Promise.all([text(shell.stdout), text(shell.stderr)])
    assert.equal(stdout, 'exit code 0\n')
    assert.equal(stderr, '')
  })

  test('put at Ctrl-C puts the lines it has, not the one that was cut', async () => {
    const put = place.start(['put', '-s', 'cut', '--format', 'json'])
    put.child.stdin?.write('{"id":1}\n{"id":2}\n{"id":')
    const iterator = await api.getShardIterator('cut', 'shardId-000000000000', { type: 'TRIM_HORIZON' })
    await recordsArrive(iterator, 2)
    put.child.kill('SIGINT')
    const { exitCode, stderr } = await put.ended()
    assert.deepEqual([exitCode, stderr], [0, ''])
    assert.equal((await api.getRecords(iterator, 10)).records.length, 2)
  })

  test('a second Ctrl-C ends it at once, with exit code 130', async () => {
    engine.setFaults([{ action: 'throttle', operation: 'PutRecords', stream: 'slow' }])
    const put = place.start(['put', '-s', 'slow', '--format', 'json', '-v'])
    put.child.stdin?.write('{"id":1}\n')
    await put.until(({ stderr }) => stderr.includes('put-retry'))
    put.child.kill('SIGINT')
    await put.until(({ stderr }) => stderr.includes('Ctrl-C again ends at once'))
    put.child.kill('SIGINT')
    assert.equal((await put.ended()).exitCode, 130)
    engine.setFaults([])
  })

  async function recordsArrive(iterator: string, count: number): Promise<void> {
    while ((await api.getRecords(iterator, 10)).records.length < count);
  }
})
