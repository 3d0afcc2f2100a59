import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CliPlace } from '../support/cli.ts'
import { startTestEngine } from '../support/engine.ts'

describe('triton stream and triton shards', () => {
  test('create, look at, reshard and delete a stream, by its name in triton.yaml or in Kinesis', async () => {
    await using engine = await startTestEngine()
    using place = new CliPlace(`orders:\n  name: orders_v2\n  partition_key: id\n  endpoint: ${engine.endpoint}\n`)
    const s = ['-s', 'orders']
    const results = await place.runMany([
      ['stream', 'create', ...s, '--shards', '2'],
      ['stream', 'create', '-s', 'other', '--endpoint', engine.endpoint],
      ['stream', 'list', '--endpoint', engine.endpoint],
      ['stream', 'split', ...s, '-d', '0'],
      ['stream', 'merge', ...s, '-d', 'shardId-000000000003', '1'],
      ['shards', ...s],
      ['shards', ...s, '--json'],
      ['stream', 'split', ...s, '-d', '0'],
      ['stream', 'merge', ...s, '-d', '2'],
      ['stream', 'describe', ...s],
      ['stream', 'describe', ...s, '--json'],
      ['stream', 'resize', ...s, '--shards', '4'],
      ['stream', 'delete', ...s],
      ['stream', 'delete', ...s, '--yes'],
      ['stream', 'list', '--endpoint', engine.endpoint],
    ])
    const [created, , list, split, merge, shards, shardsJson, again, one, text, json, resized, unsure, deleted, rest] =
      results
    assert.equal(created?.stderr, 'stream orders_v2 is ACTIVE with 2 open shards\n')
    assert.equal(list?.stdout, 'orders_v2\nother\n')
    assert.deepEqual([split?.exitCode, merge?.exitCode], [0, 0], `${split?.stderr}${merge?.stderr}`)
    assert.match(split?.stderr ?? '', /3 open shards/)
    assert.match(merge?.stderr ?? '', /2 open shards/)
    assert.equal(shards?.stdout, [0, 1, 2, 3, 4].map((n) => `shardId-00000000000${n}\n`).join(''))

    const facts =
      shardsJson?.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)) ?? []
    assert.deepEqual(
      facts.map(({ isOpen }) => isOpen),
      [false, false, true, false, true],
    )
    assert.deepEqual(facts[4].parents.toSorted(), ['shardId-000000000001', 'shardId-000000000003'])
    assert.equal(facts[4].hashKeyRange.end, String(2n ** 128n - 1n))
    assert.equal(again?.exitCode, 1)
    assert.match(
      again?.stderr ?? '',
      /shardId-000000000000 of stream "orders_v2" is closed already; its open shards are 2, 4/,
    )
    assert.equal(one?.exitCode, 2)

    assert.match(
      text?.stdout ?? '',
      /^name {12}orders_v2\narn .*stream\/orders_v2\nstatus {10}ACTIVE\nopenShards {6}2\n/,
    )
    const described = JSON.parse(json?.stdout ?? '{}')
    assert.deepEqual([described.openShards, described.closedShards, described.retentionHours], [2, 3, 24])
    assert.equal(resized?.stderr, 'stream orders_v2 is ACTIVE with 4 open shards\n')
    assert.equal(unsure?.exitCode, 2)
    assert.match(unsure?.stderr ?? '', /add --yes/)
    assert.equal(deleted?.stderr, 'stream orders_v2 is deleted\n')
    assert.equal(rest?.stdout, 'other\n')
    for (const { stdout, stderr } of [created, split, merge, resized, deleted].filter((each) => each !== undefined))
      assert.equal(stdout, '', stderr)
  })
})
