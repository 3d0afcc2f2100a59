import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { triFile } from '../../src/record/tri-chunks.ts'
import { goldenArchives } from '../record/golden-archives.ts'
import { CliPlace } from '../support/cli.ts'

const config = 'other: { name: other, partition_key: id }\n'
const golden = join(import.meta.dirname, '../golden')
const treeUrl = pathToFileURL(join(golden, 'tree')).href

/** A run of an older program's `cat`. */
interface OldRun {
  program: 'go-triton' | 'py-triton'
  archive?: string
  bucket?: string
  stream?: string
  client?: string | null
  start?: string
  end?: string | null
  exit: number
  lines: number
  stdout?: string
}

const oldRuns = readFileSync(join(golden, 'cat/cat.expected.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as OldRun)

/** Values as the older programs tell them; Python prints NaN as no JSON has it. */
function valuesOf(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line.replaceAll(/\b(NaN|-?Infinity)\b/g, 'null')) as Record<string, unknown>)
}

test('archives of the older programs are printed in lossless JSON, from files and from stdin', async () => {
  using place = new CliPlace(config)
  const archives = goldenArchives()
  const files = archives.map(({ name, bytes }) => {
    const file = join(place.directory, name)
    writeFileSync(file, bytes)
    return file
  })
  const results = await place.runMany(files.map((file) => ['cat', '--format', 'lossless', file]))
  for (const [index, { name, expected }] of archives.entries()) {
    const { exitCode, stdout, stderr } = results[index] as (typeof results)[0]
    assert.deepEqual([exitCode, stderr], [0, ''], name)
    assert.deepEqual(stdout.split('\n').slice(0, -1), expected, name)
  }
  const small = archives.find(({ name }) => name === 'go-small.tri')
  const piped = await place.run(['cat', '--format', 'lossless'], { input: small?.bytes ?? '' })
  assert.equal(piped.stdout, `${small?.expected.join('\n')}\n`)
})

test('the values are those that the older programs print, where they print them all', async () => {
  using place = new CliPlace(config)
  const archives = new Map(goldenArchives().map((archive) => [archive.name, archive]))
  // Known to differ: NaN (go stops at it), bytes that are not text (each prints them in its own way), times of Go in py.
  const differing = /nan|bin-not-utf8|not-utf8|ext|time|text|int-keys/
  const runs = oldRuns.filter(
    ({ archive, exit, stdout }) =>
      archive !== undefined && exit === 0 && stdout !== undefined && !differing.test(archive),
  )
  assert.ok(runs.length >= 10)
  const results = await place.runMany(
    runs.map(({ archive = '' }) => [
      'cat',
      place.file(archive, '') && fileOf(place, archive, archives.get(archive)?.bytes),
    ]),
  )
  for (const [index, run] of runs.entries()) {
    const old = valuesOf(readFileSync(join(golden, 'cat', run.stdout ?? ''), 'utf8'))
    assert.deepEqual(valuesOf(results[index]?.stdout ?? ''), old, `${run.program} ${run.archive}`)
  }
})

function fileOf(place: CliPlace, name: string, bytes: Uint8Array = Buffer.alloc(0)): string {
  const path = join(place.directory, name)
  writeFileSync(path, bytes)
  return path
}

test('a day is read as the older programs read it, without the streams that they mix up', async () => {
  using place = new CliPlace(config)
  const runs = oldRuns.filter(({ bucket, exit, stdout }) => bucket === 'tree' && exit === 0 && stdout !== undefined)
  const results = await place.runMany(
    runs.map(({ stream = '', start = '', end, client }) => [
      ...['cat', '--store', treeUrl, '-s', stream, '-t', start],
      ...(end ? ['-e', end] : []),
      ...(client ? ['--client-name', client] : []),
    ]),
  )
  for (const [index, run] of runs.entries()) {
    const { stream = '', start = '', end, client, program } = run
    const label = `${program} ${stream} of ${client} from ${start} to ${end}`
    const { exitCode, stdout, stderr } = results[index] as (typeof results)[0]
    const old = valuesOf(readFileSync(join(golden, 'cat', run.stdout ?? ''), 'utf8'))
    const own = old.filter((record) => record['stream'] === stream)
    if (end && end < start) {
      assert.deepEqual([exitCode, stdout], [2, ''], label)
      assert.match(stderr, /the end, 20151130, is before the start, 20151202/)
      continue
    }
    if (exitCode === 1) {
      // What go-triton can't read at all, or what is not there.
      assert.equal(own.length, 0, label)
      assert.match(stderr, /there is no archive of stream|several clients/, label)
      continue
    }
    const ours = valuesOf(stdout)
    assert.ok(
      ours.every((record) => record['stream'] === stream),
      label,
    )
    assert.deepEqual(
      ours.filter((record) => own.some(({ id }) => id === record['id'])),
      own,
      `${label}: what they read, in their order`,
    )
  }
})

test('the golden tree is read by its rules', async () => {
  using place = new CliPlace(config)
  const cat = (stream: string, start: string, end: string, ...more: string[]) => [
    ...['cat', '--store', treeUrl, '-s', stream, '-t', start, '-e', end],
    ...more,
  ]
  const [orders, ticker, trips, clock, shards, none] = await place.runMany([
    cat('orders', '20151130', '20151202'),
    cat('ticker', '20151130', '20151130'),
    cat('trips', '20151130', '20151202'),
    cat('clock', '20151130', '20151130'),
    cat('orders', '20151130', '20151130', '--client-name', 'shardId'),
    cat('orders', '20160101', '20160102'),
  ])
  const whos = (text = '') => valuesOf(text).map((record) => `${record['day']} ${record['who']} ${record['ts']}`)
  assert.deepEqual(
    [...new Set(whos(orders?.stdout))],
    [
      '20151130 archive 1448841700',
      '20151201 shardId-000000000000 1448928005',
      '20151201 shardId-000000000002 1448928070',
      '20151201 shardId-000000000001 1448928900',
      '20151201 shardId-000000000000 1448929000',
      '20151202 archive 1449015399',
      '20151202 archive 1449015400',
    ],
    'dumps are the whole day, shards together by their seconds',
  )
  assert.deepEqual(
    [...new Set(whos(ticker?.stdout))].map((text) => text.split(' ')[2]),
    ['99', '999999999', '1000000000'],
  )
  assert.deepEqual(
    [...new Set(whos(clock?.stdout))].map((text) => text.split(' ')[2]),
    ['99', '999999999', '1000000000'],
  )
  assert.match(trips?.stderr ?? '', /several clients: backup, store.*--client-name/)
  assert.equal(trips?.exitCode, 1)
  assert.deepEqual([...new Set(whos(shards?.stdout))], ['20151130 shardId-000000000000 1448841650'])
  assert.match(none?.stderr ?? '', /no archive of stream orders from 20160101 to 20160102 in file:/)
  assert.equal(none?.exitCode, 1)
})

test('a day without archives between others is told, and the others are printed', async () => {
  using place = new CliPlace(config)
  const store = join(place.directory, 'store')
  for (const day of ['20261101', '20261103']) {
    mkdirSync(join(store, day), { recursive: true })
    writeFileSync(join(store, `${day}/a-store-1.tri`), triFile(encodeMsgpack({ day })))
  }
  const { exitCode, stdout, stderr } = await place.run([
    ...['cat', '--store', pathToFileURL(store).href, '-s', 'a', '-t', '20261101', '-e', '20261103'],
  ])
  assert.equal(exitCode, 0)
  assert.equal(stdout, '{"day":"20261101"}\n{"day":"20261103"}\n')
  assert.match(stderr, /no archive of a of 20261102/)
})

test('what stands before damage is printed, and then what is wrong; --salvage goes on', async () => {
  using place = new CliPlace(config)
  const bytes = Buffer.concat([1, 2, 3].map((n) => triFile(encodeMsgpack({ n }))))
  bytes[bytes.length / 3 + 19] = 0xff
  const file = fileOf(place, 'damaged.tri', bytes)
  const strict = await place.run(['cat', file])
  assert.deepEqual([strict.exitCode, strict.stdout], [1, '{"n":1}\n'])
  assert.match(
    strict.stderr,
    /damaged\.tri: the checksum of a chunk does not match; at byte 32, behind 1 whole records/,
  )
  const salvaged = await place.run(['cat', '--salvage', file])
  assert.equal(salvaged.exitCode, 1)
  assert.match(salvaged.stdout, /^\{"n":1\}\n/)
  assert.match(salvaged.stderr, /lost bytes 32 to/)
  assert.match(salvaged.stderr, /1 damaged place was passed over/)
})

test('what makes no sense is told, with exit code 2, or 1 where the world is not so', async () => {
  using place = new CliPlace(config)
  const missing = join(place.directory, 'nowhere')
  assert.ok(!existsSync(missing))
  cpSync(join(golden, 'tree/20151130'), join(place.directory, 'tree/20151130'), { recursive: true })
  const url = pathToFileURL(join(place.directory, 'tree')).href
  const cases: [args: string[], exitCode: number, pattern: RegExp][] = [
    [['-s', 'a'], 2, /--start-date YYYYMMDD/],
    [['-s', 'a', '-t', '20261125'], 2, /say where the archives are/],
    [['-s', 'a', '-t', '20261125', 'x.tri'], 2, /choose one/],
    [['-s', 'a', '-t', '20261125', '-b', 'bucket', '--store', url], 2, /choose one/],
    [['-s', 'a', '-t', '20261325', '--store', url], 2, /--start-date "20261325" is no day/],
    [['-s', 'a', '-t', '2026-11-25', '--store', url], 2, /is no day: YYYYMMDD/],
    [['-s', 'a', '-t', '20261125', '-e', '20261124', '--store', url], 2, /the end, 20261124, is before the start/],
    [['-s', 'a', '-t', '20261125', '--store', 'ftp://x'], 1, /is no address of a store/],
    [['-s', 'a', '-t', '20261125', '--store', 's3://b'], 1, /is no address of a store/],
    [['-s', 'a', '-t', '20261125', '--store', pathToFileURL(missing).href], 1, /no directory .*nowhere/],
    [[missing], 1, /can't read .*nowhere/],
    [[place.directory], 1, /can't read/],
    [[fileOf(place, 'text.tri', Buffer.from('hello, world'))], 1, /does not begin with the stream identifier/],
  ]
  const results = await place.runMany(cases.map(([args]) => ['cat', ...args]))
  for (const [index, [args, exitCode, pattern]] of cases.entries()) {
    const result = results[index] as (typeof results)[0]
    assert.match(result.stderr, pattern, args.join(' '))
    assert.equal(result.exitCode, exitCode, args.join(' '))
    assert.doesNotMatch(result.stderr, /this is a bug|\n {4}at /)
  }
})
