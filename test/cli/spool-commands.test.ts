import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '../../src/clock.ts'
import { RefusedRecords } from '../../src/daemon/refused-records.ts'
import { RecordError, type TritonError } from '../../src/errors.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { CliPlace } from '../support/cli.ts'
import { startTestEngine } from '../support/engine.ts'

describe('triton spool', () => {
  test('lists, shows and sends again what was refused, and forgets what Kinesis took', async () => {
    await using engine = await startTestEngine({ streams: [{ name: 'orders_v2', shardCount: 1 }] })
    using place = new CliPlace(`orders: { name: orders_v2, partition_key: id, endpoint: '${engine.endpoint}' }\n`)
    const spool = await spoolWith(place, [
      { key: 'ada', data: encodeMsgpack({ id: 'ada', total: 3 }) },
      { key: 'bob', data: Buffer.from('no msgpack') },
    ])
    const flags = ['--spool', spool]
    const [list, json, show, resend, after, again] = await place.runMany([
      ['spool', 'list', ...flags],
      ['spool', 'list', ...flags, '--json'],
      ['spool', 'show', ...flags],
      ['spool', 'resend', ...flags],
      ['spool', 'list', ...flags],
      ['spool', 'resend', ...flags],
    ])
    assert.match(list?.stdout ?? '', /^orders-\d+-1\.tri 2 records \d+ bytes 20\d\d-\S+Z orders TRITON_RECORD\n$/)
    assert.equal(JSON.parse(json?.stdout ?? '').recordCount, 2)
    const shown = (show?.stdout ?? '')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      shown.map(({ stream, partitionKey, code, reason, data, bytes }) => ({
        stream,
        partitionKey,
        code,
        reason,
        data,
        bytes,
      })),
      [
        { ...common, partitionKey: 'ada', data: { id: 'ada', total: 3 }, bytes: undefined },
        { ...common, partitionKey: 'bob', data: undefined, bytes: Buffer.from('no msgpack').toString('base64') },
      ],
    )
    assert.deepEqual([resend?.exitCode, resend?.stderr], [0, '2 records sent\n'])
    assert.deepEqual([after?.exitCode, after?.stdout], [0, ''])
    assert.deepEqual([again?.exitCode, again?.stderr], [0, '0 records sent\n'])
    const records = await recordsOf(engine.endpoint)
    assert.deepEqual(
      records.map(({ partitionKey, bytes }) => [partitionKey, Buffer.from(bytes)]),
      [
        ['ada', encodeMsgpack({ id: 'ada', total: 3 })],
        ['bob', Buffer.from('no msgpack')],
      ],
    )
  })

  test('keeps what is refused again, under its new reason, and says so by its exit code', async () => {
    await using engine = await startTestEngine({ streams: [{ name: 'orders_v2', shardCount: 1 }] })
    using place = new CliPlace(`orders: { name: orders_v2, partition_key: id, endpoint: '${engine.endpoint}' }\n`)
    const spool = await spoolWith(place, [
      { key: 'small', data: Buffer.from('x') },
      { key: 'large', data: Buffer.alloc(2 * 1024 * 1024) },
    ])
    const [resend, show, alone] = await place.runMany([
      ['spool', 'resend', '--spool', spool],
      ['spool', 'show', '--spool', spool],
      ['spool', 'resend', '--spool', spool],
    ])
    assert.equal(resend?.exitCode, 1)
    assert.match(
      resend?.stderr ?? '',
      /^triton: 1 of 2 records of orders-\d+-1\.tri: .*\n1 records sent, 1 stay where/m,
    )
    const { partitionKey, reason } = JSON.parse(show?.stdout ?? '')
    assert.equal(partitionKey, 'large')
    assert.match(reason, /larger than/)
    // Nothing came of it: the file stays as it is.
    assert.equal(alone?.exitCode, 1)
    assert.equal(readdirSync(join(spool, 'refused')).filter((name) => name.endsWith('.tri')).length, 1)
    assert.deepEqual(
      (await recordsOf(engine.endpoint)).map((record) => record.partitionKey),
      ['small'],
    )
  })

  test('takes one file or one stream, and tells of those that are not there', async () => {
    await using engine = await startTestEngine({ streams: [{ name: 'orders_v2', shardCount: 1 }] })
    using place = new CliPlace(`orders: { name: orders_v2, partition_key: id, endpoint: '${engine.endpoint}' }\n`)
    const spool = await spoolWith(place, [{ key: 'ada', data: Buffer.from('x') }])
    const name = readdirSync(join(spool, 'refused')).find((file) => file.endsWith('.tri')) ?? ''
    const [absent, other, nowhere, named] = await place.runMany([
      ['spool', 'show', '--spool', spool, 'orders-1-1.tri'],
      ['spool', 'resend', '--spool', spool, '-s', 'payments'],
      ['spool', 'list', '--spool', place.directory],
      ['spool', 'resend', '--spool', spool, name],
    ])
    assert.equal(absent?.exitCode, 1)
    assert.match(absent?.stderr ?? '', /no refused records are kept as orders-1-1\.tri/)
    assert.deepEqual([other?.exitCode, other?.stderr], [0, '0 records sent\n'])
    assert.equal(nowhere?.exitCode, 1)
    assert.match(nowhere?.stderr ?? '', /is no spool/)
    assert.equal(named?.stderr, '1 records sent\n')
  })

  test('tells of a damaged file, and sends nothing of it', async () => {
    using place = new CliPlace('orders: { name: orders_v2, partition_key: id }\n')
    const spool = await spoolWith(place, [{ key: 'ada', data: Buffer.from('the body') }])
    const path = join(spool, 'refused', readdirSync(join(spool, 'refused')).find((file) => file.endsWith('.tri')) ?? '')
    const bytes = readFileSync(path)
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1
    writeFileSync(path, bytes)
    const [show] = await place.runMany([['spool', 'show', '--spool', spool]])
    assert.equal(show?.exitCode, 1)
    assert.match(show?.stderr ?? '', /^triton: .*orders-\d+-1\.tri: /)
  })
})

const common = { stream: 'orders', code: 'TRITON_RECORD', reason: 'the record is too large' }

async function spoolWith(place: CliPlace, records: readonly { key: string; data: Buffer }[]): Promise<string> {
  const spool = join(place.directory, 'spool')
  mkdirSync(join(spool, 'streams'), { recursive: true })
  const error: TritonError = new RecordError(common.reason)
  await new RefusedRecords(join(spool, 'refused'), systemClock).keep(
    common.stream,
    records.map(({ key, data }, index) => ({
      ok: false,
      index,
      record: { data, partitionKey: key },
      code: error.code,
      error,
      mayHaveBeenWritten: false,
    })),
  )
  return spool
}

async function recordsOf(endpoint: string) {
  const api = createAwsKinesisApi({ endpoint })
  try {
    const iterator = await api.getShardIterator('orders_v2', 'shardId-000000000000', { type: 'TRIM_HORIZON' })
    return [...(await api.getRecords(iterator, 1_000)).records]
  } finally {
    api.close()
  }
}
