import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { footerChunks } from '../../src/archive/object-footer.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { triFile } from '../../src/record/tri-chunks.ts'
import { TriWriter } from '../../src/record/tri-writer.ts'
import { CliPlace } from '../support/cli.ts'

const config = 'other: { name: other, partition_key: id }\n'
const dayMs = Date.UTC(2026, 10, 24)

/** Three archives of a day, of 60 records each, one a minute. */
function writeDay(place: CliPlace): string {
  const store = join(place.directory, 'store')
  mkdirSync(join(store, '20261124'), { recursive: true })
  for (let hour = 0; hour < 3; hour++) {
    const writer = new TriWriter()
    for (let minute = 0; minute < 60; minute++) {
      const record = {
        hour,
        minute,
        city: minute % 2 === 0 ? 'Berlin' : 'Köln',
        at: { floor: minute % 3 },
        ok: minute > 30,
      }
      writer.add(encodeMsgpack(record), {
        ...{ shardId: 'shardId-000000000000', sequenceNumber: `${hour * 60 + minute + 1}`, partitionKey: 'k' },
        arrivedAtMs: dayMs + (hour * 60 + minute) * 60_000,
      })
    }
    writer.end((fileBytes) =>
      footerChunks(
        {
          ...{ stream: 'a', client: 'store', kind: 'records', recordCount: 60, plainBytes: writer.plainBytes },
          ...{ undecodableCount: 0, shards: [] },
          ...{ firstArrivedMs: dayMs + hour * 3_600_000, lastArrivedMs: dayMs + hour * 3_600_000 + 59 * 60_000 },
        },
        fileBytes,
      ),
    )
    writeFileSync(join(store, `20261124/a-store-${hour + 1}.tri`), Buffer.concat(writer.take()))
  }
  return pathToFileURL(store).href
}

test('a day is cut by arrival, from inclusive to exclusive, and by what fields say', async () => {
  using place = new CliPlace(config)
  const url = writeDay(place)
  const words = ['cat', '--store', url, '-s', 'a', '-t', '20261124']
  const cases: [args: string[], count: number][] = [
    [[], 180],
    [['--from-time', '2026-11-24T01:30:00Z'], 90],
    [['--to-time', '2026-11-24T01:30:00Z'], 90],
    [['--from-time', '2026-11-24T01:00:00Z', '--to-time', '2026-11-24T01:00:01Z'], 1],
    [['--from-time', '2026-11-25T00:00:00Z'], 0],
    [['--where', 'city=Köln'], 90],
    [['--where', 'hour=2', '--where', 'at.floor=0'], 20],
    [['--where', 'ok=true', '--from-time', '2026-11-24T02:00:00Z'], 29],
    [['--where', 'nothing=here'], 0],
    [['--where', 'at=x'], 0],
  ]
  const results = await place.runMany(cases.map(([args]) => [...words, ...args]))
  for (const [index, [args, count]] of cases.entries()) {
    const { exitCode, stdout, stderr } = results[index] as (typeof results)[0]
    assert.deepEqual([exitCode, stderr, stdout.split('\n').length - 1], [0, '', count], args.join(' '))
  }
})

test('archives that do not say when records arrived are not cut by time, but by fields', async () => {
  using place = new CliPlace(config)
  const file = join(place.directory, 'old.tri')
  writeFileSync(file, triFile(Buffer.concat([1, 2, 3].map((n) => encodeMsgpack({ n })))))
  const [timed, byField, backwards, wrong] = await place.runMany([
    ['cat', '--from-time', '10m', file],
    ['cat', '--where', 'n=2', file],
    ['cat', '--from-time', '1m', '--to-time', '10m', file],
    ['cat', '--where', 'n', file],
  ])
  assert.equal(timed?.exitCode, 1)
  assert.match(timed?.stderr ?? '', /old\.tri does not say when its records arrived, since an older program wrote it/)
  assert.equal(byField?.stdout, '{"n":2}\n')
  assert.deepEqual([backwards?.exitCode, wrong?.exitCode], [2, 2])
})

test('a reader that has enough, as head has, ends it quietly', async () => {
  using place = new CliPlace(config)
  const file = join(place.directory, 'long.tri')
  const record = encodeMsgpack({ text: 'x'.repeat(1_000) })
  writeFileSync(file, triFile(Buffer.concat(Array.from({ length: 20_000 }, () => record))))
  const printing = place.start(['cat', file])
  await printing.until(({ stdout }) => stdout.length > 0)
  printing.child.stdout?.destroy()
  const { exitCode, stderr } = await printing.ended()
  assert.deepEqual([exitCode, stderr], [0, ''])
})
