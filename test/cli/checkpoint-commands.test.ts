import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { CliPlace } from '../support/cli.ts'
import { startTestEngine } from '../support/engine.ts'

describe('checkpoints on the command line', () => {
  test('a reader carries on where it stopped, and can be listed, watched and made to start anew', async () => {
    await using engine = await startTestEngine({ streams: [{ name: 'orders_v2', shardCount: 1 }] })
    using place = new CliPlace(`orders:\n  name: orders_v2\n  partition_key: id\n  endpoint: ${engine.endpoint}\n`)
    const env = { TRITON_DB: `sqlite://${place.directory}/triton.db`, TRITON_CLIENT_NAME: 'billing' }
    const s = ['-s', 'orders']
    const get = ['get', ...s, '--from', 'checkpoint', '--until-caught-up', '--json']
    const put = (lines: string) => place.run(['put', ...s, '--format', 'json'], { input: lines })

    await put('{"id":1}\n{"id":2}\n')
    const [none, init, again, first, repeated] = await place.runMany(
      [['checkpoint', 'list'], ['checkpoint', 'init'], ['checkpoint', 'init'], get, get],
      { env },
    )
    assert.equal(none?.exitCode, 1)
    assert.match(none?.stderr ?? '', /triton checkpoint init/)
    assert.deepEqual([init?.exitCode, again?.exitCode], [0, 0])
    assert.equal(first?.stdout, '{"id":1}\n{"id":2}\n', first?.stderr)
    assert.equal(repeated?.stdout, '')

    await put('{"id":3}\n')
    const [next, list, json, stats, elsewhere, reset, empty, anew] = await place.runMany(
      [
        get,
        ['checkpoint', 'list', ...s],
        ['checkpoint', 'list', '--client-name', 'billing', '--json'],
        ['stats'],
        ['stats', '--client-name', 'nobody'],
        ['checkpoint', 'reset', ...s, '-d', '0', '--yes'],
        ['checkpoint', 'list', '--json'],
        get,
      ],
      { env },
    )
    assert.equal(next?.stdout, '{"id":3}\n')
    assert.match(
      list?.stdout ?? '',
      /^CLIENT +STREAM +SHARD +UPDATED +SEQUENCE NUMBER\nbilling +orders_v2 +shardId-0{12} /,
    )
    const row = JSON.parse(json?.stdout ?? '{}')
    assert.deepEqual([row.client, row.stream, row.shardId], ['billing', 'orders_v2', 'shardId-000000000000'])
    assert.match(stats?.stdout ?? '', /^billing\.orders_v2\.shardId-000000000000\.age \d+ \d{10}\n$/)
    assert.equal(elsewhere?.stdout, '')
    assert.equal(reset?.stderr, '1 checkpoint of billing on orders_v2 forgotten\n')
    assert.equal(empty?.stdout, '')
    assert.equal(anew?.stdout, '{"id":1}\n{"id":2}\n{"id":3}\n')
  })

  test("a database that go-triton left is listed, and its stats have go-triton's form", async () => {
    using place = new CliPlace()
    const file = join(place.directory, 'triton-s3.db')
    copyFileSync(join(import.meta.dirname, '../golden/checkpoints/triton-s3.db.sqlite'), file)
    const database = ['--checkpoint-db', `sqlite://${file}`]
    const [stats, list] = await place.runMany([
      ['stats', '--client-name', 'store', ...database],
      ['checkpoint', 'list', '--json', ...database],
    ])
    const lines = stats?.stdout.trimEnd().split('\n') ?? []
    assert.equal(lines.length, 2, stats?.stderr)
    for (const [index, line] of lines.entries())
      assert.match(line, new RegExp(`^store\\.clicks_v2\\.shardId-00000000000${index}\\.age -?\\d+ \\d{10}$`))
    assert.equal(list?.stdout.trimEnd().split('\n').length, 2)
  })
})
