import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { LocalEngine } from '../../src/local/index.ts'
import { CliPlace, type CliResult } from '../support/cli.ts'
import { startTestEngine } from '../support/engine.ts'

describe('what cannot be done', { concurrency: 2 }, () => {
  let engine: LocalEngine
  let place: CliPlace
  let deadPort: number
  before(async () => {
    engine = await startTestEngine({ streams: [{ name: 'there', shardCount: 1 }] })
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    deadPort = (server.address() as AddressInfo).port
    server.close()
    place = new CliPlace(
      ['there', 'absent']
        .map((name) => `${name}:\n  name: ${name}\n  partition_key: msg\n  endpoint: ${engine.endpoint}\n`)
        .join(''),
    )
  })
  after(async () => {
    await engine.close()
    place[Symbol.dispose]()
  })

  test('is told in a line, with exit code 1, no stack trace, and nothing on stdout', async () => {
    const good = 'a:\n  name: a\n  partition_key: id\n'
    const configs: [file: string, told: RegExp][] = [
      [
        place.file('list.yaml', '- a\n'),
        /list\.yaml:1:1: must be a map from stream names to definitions; it is a list/,
      ],
      [place.file('empty.yaml', ''), /empty\.yaml:1:1: .* it is empty/],
      [place.file('tabs.yaml', 'a:\n\tname: a\n'), /tabs\.yaml:2:1: a tab/],
      [place.file('twice.yaml', good + good), /twice\.yaml:4:1: this key stands here a second time/],
      [
        place.file('tag.yaml', 'a: !!python/object:os.system {}\n'),
        /tag\.yaml:1:\d+: the tag "!!python\/object:os.system"/,
      ],
      [place.file('huge.yaml', `#${'x'.repeat(10 * 1024 * 1024)}`), /huge\.yaml has 10485761 bytes/],
      [place.directory, /is a directory, not a file/],
      [`${place.directory}/nowhere.yaml`, /no configuration at .*nowhere\.yaml/],
    ]
    const cases: [args: string[], told: RegExp][] = [
      ...configs.map(([file, told]): [string[], RegExp] => [['get', '-s', 'a', '-c', file], told]),
      [['get', '-s', 'ther'], /no stream "ther" in .*triton\.yaml, which defines there, absent\. Did you mean there\?/],
      [['get', '-s', 'absent'], /stream "absent" does not exist/],
      [['shards', '-s', 'absent'], /shards of stream "absent".*not found/],
      [['get', '-s', 'there', '-d', '7'], /stream "there" has no shard 7 .*it has: 0/],
      [['stream', 'split', '-s', 'there', '-d', '5'], /has no shard shardId-000000000005; its open shards are 0/],
      [['stream', 'merge', '-s', 'there', '-d', '0', '0'], /merge/],
      [['stream', 'create', '-s', 'there'], /already exists/],
      [['stream', 'delete', '-s', 'absent', '--yes'], /not found/],
      [['checkpoint', 'list'], /no checkpoint database is named: set TRITON_DB/],
      [['stats', '--checkpoint-db', 'oracle://x'], /unknown form "oracle:"/],
      [['stats', '--checkpoint-db', `sqlite://${place.directory}/none/at/all.db`], /none\/at\/all\.db/],
      [['get', '-s', 'there', '--from', 'checkpoint'], /no checkpoint database is named/],
      [['get', '-s', 'there', '--from', 'checkpoint', '--checkpoint-db', 'memory:'], /no client name is given/],
      [['local', '--port', new URL(engine.endpoint).port], /another process listens there/],
    ]
    const results = await place.runMany(cases.map(([args]) => args))
    for (const [index, [args, told]] of cases.entries()) checkFailure(results[index], args, told)
  })

  test('includes an engine, a database and a stream that are not there', async () => {
    const closed = ['--endpoint', `http://127.0.0.1:${deadPort}`]
    await using strange = await startTestEngine({ tls: true })
    const untrusted = ['--endpoint', strange.endpoint]
    const database = `postgres://triton@127.0.0.1:${deadPort}/triton`
    const cases: [args: string[], told: RegExp][] = [
      [['put', '-s', 'absent'], /put into stream "absent".*not found/],
      [['put', '-s', 'there', ...closed], /could not be reached: connect ECONNREFUSED/],
      [['get', '-s', 'there', ...closed], /could not be reached/],
      [
        ['shards', '-s', 'there', ...closed],
        /could not be reached.*Is Kinesis, or the engine at the endpoint, running/,
      ],
      [['checkpoint', 'list', '--checkpoint-db', database], /ECONNREFUSED/],
      [
        ['get', '-s', 'there', ...untrusted],
        /can't be read: .*self-signed certificate\. Is the address right, .*trust/,
      ],
      [
        ['shards', '-s', 'there', ...untrusted],
        /self-signed certificate\. Is the address right, .*NODE_EXTRA_CA_CERTS/,
      ],
    ]
    const results = await Promise.all(cases.map(([args]) => place.run(args, { input: '{}\n' })))
    for (const [index, [args, told]] of cases.entries()) checkFailure(results[index], args, told)
  })

  function checkFailure(result: CliResult | undefined, args: readonly string[], told: RegExp): void {
    const shown = `triton ${args.join(' ')}\n${result?.stderr}`
    assert.equal(result?.exitCode, 1, shown)
    assert.equal(result?.stdout, '', shown)
    assert.match(result?.stderr ?? '', told, shown)
    assert.match(result?.stderr ?? '', /^(\{.*\}\n)*triton: /, shown)
    assert.doesNotMatch(result?.stderr ?? '', /^\s+at |this is a bug/m, shown)
  }
})
