import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { openStore } from '../../src/archive/open-store.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { CliPlace } from '../support/cli.ts'
import { startTestEngine } from '../support/engine.ts'
import { startTestS3 } from '../support/s3.ts'

let engine: LocalEngine
let api: KinesisApi

before(async () => {
  engine = await startTestEngine({
    streams: ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => ({ name, shardCount: 2 })),
  })
  api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
})
after(async () => {
  api.close()
  await engine.close()
})

function placeFor(stream: string): CliPlace {
  const place = new CliPlace(`${stream}: { name: ${stream}, partition_key: id, endpoint: '${engine.endpoint}' }\n`)
  place.env['TRITON_DB'] = `sqlite://${join(place.directory, 'checkpoints.db')}`
  return place
}

async function put(stream: string, count: number): Promise<void> {
  const entries = Array.from({ length: count }, (_, n) => ({ data: encodeMsgpack({ n }), partitionKey: `${n % 7}` }))
  await api.putRecords(stream, entries)
}

test('SIGTERM seals what was read, and cat prints it', async () => {
  using place = placeFor('a')
  await put('a', 300)
  const url = pathToFileURL(place.directory).href
  const storing = place.start(['store', '-s', 'a', '--store', url, '--metrics', '0', '-vv'])
  await storing.until(({ stderr }) => (stderr.match(/"recordCount":[1-9]\d*,"pageBytes"/g)?.length ?? 0) >= 2)
  const metrics = await fetch(/http:\/\/\S+\/metrics/.exec(storing.stderr)?.[0] ?? '').then((answer) => answer.text())
  assert.match(metrics, /triton_store_records_read_total\{stream="a"\} 300/)
  assert.match(metrics, /triton_store_seconds_behind_latest\{stream="a",shard="shardId-000000000001"\} 0/)
  storing.child.kill('SIGTERM')
  const { exitCode, stderr } = await storing.ended()
  assert.equal(exitCode, 0, stderr)
  assert.match(stderr, /stored 300 records in 1 object$/m)
  const day = /(\d{8})\/a-store-\d+\.tri/.exec(stderr)?.[1] ?? ''
  const { stdout } = await place.run(['cat', '-s', 'a', '--store', url, '-t', day])
  assert.equal(stdout.trim().split('\n').length, 300)

  const [list, stat, verify, none, foreign] = await place.runMany([
    ['archive', 'list', '--store', url, '-s', 'a'],
    ['archive', 'stat', '--store', url],
    ['archive', 'verify', '--store', url, '-t', day],
    ['archive', 'verify', '--store', url, '-s', 'b'],
    ['archive', 'list', '--store', url, '-t', '2026'],
  ])
  assert.match(list?.stdout ?? '', /KEY .*\n\d{8}\/a-store-\d+\.tri +a +store +\d+ +300 +0 +2 +2/)
  assert.match(stat?.stdout ?? '', /a +store +\d{8} +1 +\d+ +300 +0 +2 /)
  assert.deepEqual([verify?.exitCode, verify?.stdout], [0, ''])
  assert.match(verify?.stderr ?? '', /read 300 records of 1 archive: nothing is wrong/)
  assert.match(none?.stderr ?? '', /there is nothing to verify/)
  assert.match(foreign?.stderr ?? '', /is no day/)
  const file = join(place.directory, /(\d{8}\/a-store-\d+\.tri)/.exec(stderr)?.[1] ?? '')
  const bytes = readFileSync(file)
  bytes[bytes.length - 100] = (bytes[bytes.length - 100] as number) ^ 1
  writeFileSync(file, bytes)
  const broken = await place.run(['archive', 'verify', '--store', url])
  assert.equal(broken.exitCode, 1)
})

test('a second store of the same client is refused, and takes over when the first is killed', async () => {
  using place = placeFor('b')
  const url = pathToFileURL(place.directory).href
  const args = ['store', '-s', 'b', '--store', url, '--lease-ms', '8000', '-v']
  const first = place.start(args)
  await first.until(({ stderr }) => stderr.includes('storing b as store'))
  const second = await place.run(args)
  assert.equal(second.exitCode, 1)
  assert.match(second.stderr, /client store is already storing b, in the process .*stop that one, or take another/)
  first.child.kill('SIGKILL')
  await first.ended()
  const third = await place.run([...args, '--until-caught-up'])
  assert.equal(third.exitCode, 0, third.stderr)
  assert.match(third.stderr, /takes over storing b as store/)
})

test('an S3 that fails for a while is waited out', async () => {
  await using s3 = await startTestS3()
  using place = placeFor('c')
  place.env['AWS_ENDPOINT_URL_S3'] = s3.endpoint
  await put('c', 100)
  const failed = new Set<string>()
  // Each kind of request fails once, in each way in turn.
  s3.fault = ({ method, query }) => {
    const kind = `${method} ${[...query.keys()]
      .filter((name) => name !== 'x-id')
      .sort()
      .join()}`
    if (failed.has(kind)) return undefined
    failed.add(kind)
    return (['hang-up', { status: 503, code: 'SlowDown' }, 'answer-lost'] as const)[failed.size % 3]
  }
  const stored = await place.run(['store', '-s', 'c', '--bucket', s3.bucket, '--until-caught-up', '-v'])
  assert.equal(stored.exitCode, 0, stored.stderr)
  assert.match(stored.stderr, /waits .* for attempt 2/)
  await using store = openStore(`s3://${s3.bucket}`, { endpoint: s3.endpoint })
  const [day = ''] = await store.listDays()
  const read = await place.run(['cat', '-s', 'c', '-b', s3.bucket, '-t', day])
  assert.equal(read.stdout.trim().split('\n').length, 100)
  assert.deepEqual(s3.openUploads(), [])
})

test('SIGTERM waits for a store that stalls no longer than it was told, and nothing is lost', async () => {
  await using s3 = await startTestS3()
  using place = placeFor('f')
  place.env['AWS_ENDPOINT_URL_S3'] = s3.endpoint
  await put('f', 100)
  const words = ['store', '-s', 'f', '--bucket', s3.bucket, '--drain-ms', '300', '-vv']
  const storing = place.start(words)
  await storing.until(({ stderr }) => (stderr.match(/"recordCount":[1-9]\d*,"pageBytes"/g)?.length ?? 0) >= 2)
  s3.fault = () => 'stall'
  storing.child.kill('SIGTERM')
  const { exitCode, stderr } = await storing.ended()
  assert.equal(exitCode, 1)
  assert.match(
    stderr,
    /did not get into s3:\/\/triton-test within 300 ms: its 100 records are read again at the next start/,
  )
  s3.fault = () => undefined
  const again = await place.run([...words, '--until-caught-up'])
  assert.match(again.stderr, /stored 100 records in 1 object$/m)
  assert.deepEqual(s3.openUploads(), [])
})

test('a bucket that is not there, or forbidden, is told, and nothing is read for it', async () => {
  await using s3 = await startTestS3()
  using place = placeFor('d')
  place.env['AWS_ENDPOINT_URL_S3'] = s3.endpoint
  for (const [code, status, pattern] of [
    ['NoSuchBucket', 404, /there is no such bucket/],
    ['AccessDenied', 403, /AccessDenied.*credentials and permissions right/],
  ] as const) {
    s3.fault = () => ({ status, code })
    for (const args of [
      ['store', '-s', 'd', '-b', 'other-bucket', '--until-caught-up'],
      ['cat', '-s', 'd', '-b', 'other-bucket', '-t', '20261125'],
    ]) {
      const { exitCode, stderr } = await place.run(args)
      assert.equal(exitCode, 1)
      assert.match(stderr, pattern)
      assert.doesNotMatch(stderr, /this is a bug|\n {4}at /)
    }
  }
})

test('bucket, client and database come from the environment, and --skip-to-latest leaves out what there is', async () => {
  await using s3 = await startTestS3()
  using place = placeFor('g')
  Object.assign(place.env, { AWS_ENDPOINT_URL_S3: s3.endpoint, TRITON_BUCKET: s3.bucket, TRITON_CLIENT: 'backup' })
  const words = ['store', '--stream', 'g', '--until-caught-up']
  await put('g', 10)
  const first = await place.run([...words, '--skip-to-latest'])
  assert.match(first.stderr, /stored 0 records in 0 objects$/m)
  await put('g', 5)
  const second = await place.run([...words, '--skip-to-latest'])
  assert.match(second.stderr, /stored 5 records in 1 object$/m)
  const [key = ''] = s3.requests.map((request) => request.key).filter((name) => name.endsWith('.tri'))
  assert.match(key, /^\d{8}\/g-backup-\d+\.tri$/)
  const { stdout } = await place.run(['cat', '-s', 'g', '-t', key.slice(0, 8)])
  assert.equal(stdout.trim().split('\n').length, 5)
  const kept = await place.run(['checkpoint', 'list'])
  assert.match(kept.stdout, /backup +g +shardId-/)
})

test('what makes no sense is told with exit code 2', async () => {
  using place = placeFor('e')
  const url = pathToFileURL(place.directory).href
  const cases: [args: string[], exitCode: number, pattern: RegExp][] = [
    [[], 2, /--stream/],
    [['-s', 'e'], 2, /say where the archives are/],
    [['-s', 'e', '--store', url, '--skip-to-latest', '--from', 'all'], 2, /choose one/],
    [['-s', 'e', '--store', url, '--rotate', 'soon'], 2, /must be a duration/],
    [['-s', 'e', '--store', url, '--rotate-bytes', 'lots'], 2, /number of bytes/],
    [['-s', 'e', '--store', url, '--rotate-bytes', '0'], 2, /must be 1 or more/],
    [['-s', 'e', '--store', url, '--metrics', '99999'], 2, /port number, 0 to 65535/],
    [['-s', 'e', '--store', url, '--client-name', 'a-b'], 1, /no client name/],
    [['-s', 'nope', '--store', url], 1, /no stream "nope"/],
    [['-s', 'e', '--store', 'file:///nowhere/at/all', '--until-caught-up'], 1, /no directory \/nowhere\/at\/all/],
  ]
  const results = await place.runMany(cases.map(([args]) => ['store', ...args]))
  for (const [index, [args, exitCode, pattern]] of cases.entries()) {
    const result = results[index] as (typeof results)[0]
    assert.match(result.stderr, pattern, args.join(' '))
    assert.equal(result.exitCode, exitCode, args.join(' '))
  }
})
