import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dayOf } from '../../src/archive/archive-key.ts'
import { streamFromStore } from '../../src/archive/stream-from-store.ts'
import { FormatError } from '../../src/errors.ts'
import { ArchivePlace } from '../support/archive-place.ts'
import { CliPlace } from '../support/cli.ts'
import { untilActive } from '../support/reshard-load.ts'

const stream = 'events'
const lines = ['{"n":1}', '{"n":2}', 'no JSON', '{"n":4}', '{"n":', '{"n":6}']

test('an archived record of a stream of JSON that is none: told with its place, and passed over when salvaging', async () => {
  await using place = await ArchivePlace.open()
  await place.api.createStream(stream, 1)
  await untilActive(place.api, stream)
  for (const line of lines) await place.api.putRecords(stream, [{ data: Buffer.from(line), partitionKey: 'k' }])
  assert.equal((await place.storeAll(stream, { format: 'json' })).recordCount, 6)
  const days = [dayOf(Date.now() - 86_400_000), dayOf(Date.now())] as const
  const read = (options: { salvage?: boolean; onDamage?: () => void } = {}) =>
    streamFromStore<{ n: number }>(place.store, { name: stream, format: 'json' }, ...days, options)

  const before: number[] = []
  await assert.rejects(
    async () => {
      for await (const { n } of read()) before.push(n)
    },
    (error) => error instanceof FormatError && /events-store-\d+\.tri: record 2 does not decode/.test(error.message),
  )
  assert.deepEqual(before, [1, 2])

  let lost = 0
  const salvaging = { salvage: true, onDamage: () => (lost += 1) }
  const found: number[] = []
  for await (const { n } of read(salvaging)) found.push(n)
  assert.deepEqual(found, [1, 2, 4, 6])
  assert.equal(lost, 2)
  const numbered: [number, number][] = []
  for await (const { data, recordNumber } of read(salvaging).records()) numbered.push([recordNumber, data.n])
  assert.deepEqual(numbered, [
    [0, 1],
    [1, 2],
    [3, 4],
    [5, 6],
  ])

  const { endpoint } = place.engine
  using cli = new CliPlace(`${stream}: { name: ${stream}, partition_key: n, format: json, endpoint: '${endpoint}' }\n`)
  const words = ['-s', stream, '--store', place.storeUrl, '-t', days[0], '-e', days[1]]
  const [plain, salvaged, replayed] = await cli.runMany([
    ['cat', ...words],
    ['cat', ...words, '--salvage'],
    ['replay', ...words],
  ])
  assert.equal(plain?.exitCode, 1)
  assert.equal(plain?.stdout, '{"n":1}\n{"n":2}\n')
  assert.match(plain?.stderr ?? '', /record 2 can't be printed: it is not JSON/)
  assert.equal(salvaged?.exitCode, 1)
  assert.equal(salvaged?.stdout, '{"n":1}\n{"n":2}\n{"n":4}\n{"n":6}\n')
  assert.match(salvaged?.stderr ?? '', /record 4 can't be printed(.|\n)*2 damaged places were passed over/)
  assert.equal(replayed?.exitCode, 0, replayed?.stderr)
  assert.equal(replayed?.stdout, salvaged?.stdout)
  assert.match(replayed?.stderr ?? '', /2 records did not decode/)
})
