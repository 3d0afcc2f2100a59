import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import Database from 'libsql'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { triFile } from '../../src/record/tri-chunks.ts'
import { CliPlace } from '../support/cli.ts'

const config = 'other: { name: other, partition_key: id }\n'
/** More than a group of rows in Parquet. */
const recordCount = 60_000

const recordOf = (n: number) => ({
  n,
  big: 2n ** 60n + BigInt(n),
  price: n / 4,
  name: n % 3 === 0 ? 'plain' : `with "quotes", commas\nand ümläuts ${n}`,
  ok: n % 2 === 0,
  raw: Buffer.of(n & 255, 0xff),
  deep: { list: [n] },
  ...(n % 5 === 0 && { seldom: 'x' }),
})

function writeArchives(place: CliPlace): string {
  const store = join(place.directory, 'store')
  for (const [part, day] of ['20261124', '20261125'].entries()) {
    mkdirSync(join(store, day), { recursive: true })
    const half = recordCount / 2
    const records = Array.from({ length: half }, (_, n) => Buffer.from(encodeMsgpack(recordOf(part * half + n))))
    writeFileSync(join(store, day, 'a-store-1.tri'), triFile(Buffer.concat(records)))
  }
  return pathToFileURL(store).href
}

test('archives become Parquet, CSV, SQLite and JSON lines, which others open', async () => {
  using place = new CliPlace(config)
  const words = ['--store', writeArchives(place), '-s', 'a', '-t', '20261124', '-e', '20261125']
  const file = (name: string) => join(place.directory, name)
  for (const [command, name] of [
    ['export', 'a.parquet'],
    ['export', 'a.csv'],
    ['export', 'a.jsonl'],
    ['sqlite', 'a.db'],
  ] as const) {
    const { exitCode, stderr } = await place.run([command, ...words, file(name)])
    assert.equal(exitCode, 0, stderr)
    assert.match(stderr, /wrote 60,000 records to /)
    assert.ok(!existsSync(`${file(name)}.partial`))
  }

  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const sums = `count(*), sum(n), max(big), sum(price), count(*) FILTER (WHERE ok), count(seldom), max(name)`
    const expected = [
      BigInt(recordCount),
      (BigInt(recordCount) * BigInt(recordCount - 1)) / 2n,
      2n ** 60n + BigInt(recordCount - 1),
      (recordCount * (recordCount - 1)) / 8,
      BigInt(recordCount / 2),
      BigInt(recordCount / 5),
      'with "quotes", commas\nand ümläuts 9998',
    ]
    for (const source of [
      `read_parquet('${file('a.parquet')}')`,
      `read_csv('${file('a.csv')}', header = true, quote = '"', escape = '"', max_line_size = 1000000)`,
      `read_json('${file('a.jsonl')}', format = 'newline_delimited')`,
    ]) {
      const reader = await connection.runAndReadAll(`SELECT ${sums} FROM ${source}`)
      const [row = []] = reader.getRows()
      assert.deepEqual(
        row.map((value) => (typeof value === 'bigint' ? value.toString() : value)),
        expected.map((value) => (typeof value === 'bigint' ? value.toString() : value)),
        source,
      )
    }
    const types = await connection.runAndReadAll(`DESCRIBE SELECT * FROM read_parquet('${file('a.parquet')}')`)
    assert.deepEqual(
      types.getRows().map(([name, type]) => `${name} ${type}`),
      [
        'n BIGINT',
        'big BIGINT',
        'price DOUBLE',
        'name VARCHAR',
        'ok BOOLEAN',
        'raw BLOB',
        'deep VARCHAR',
        'seldom VARCHAR',
      ],
    )
    const blobs = await connection.runAndReadAll(
      `SELECT hex(raw), deep FROM read_parquet('${file('a.parquet')}') WHERE n = 7`,
    )
    assert.deepEqual(blobs.getRows(), [['07FF', '{"list":[7]}']])
  } finally {
    connection.closeSync()
    instance.closeSync()
  }

  const database = new Database(file('a.db'), { readonly: true } as never)
  try {
    const row = database.prepare('SELECT count(*) AS c, sum(n) AS s, count(seldom) AS d FROM a').get() as Record<
      string,
      number
    >
    const { c, s, d } = row
    assert.deepEqual({ c, s, d }, { c: recordCount, s: (recordCount * (recordCount - 1)) / 2, d: recordCount / 5 })
  } finally {
    database.close()
  }
  assert.equal(readFileSync(file('a.jsonl'), 'utf8').split('\n').length, recordCount + 1)
})

test('what can not be written is told, and nothing half stands there', async () => {
  using place = new CliPlace(config)
  const words = ['--store', writeArchives(place), '-s', 'a', '-t', '20261124']
  const there = place.file('there.csv', 'x')
  const damaged = join(place.directory, 'store/20261124/a-store-2.tri')
  const cases: [args: string[], exitCode: number, pattern: RegExp][] = [
    [['export', ...words, there], 1, /is there already/],
    [['export', ...words, join(place.directory, 'a.xls')], 2, /ends in none of/],
    [['export', ...words, join(place.directory, 'no/where.csv')], 1, /can't write|no such file/],
    [['sqlite', ...words.slice(0, -2), join(place.directory, 'b.db')], 2, /required option '-t, --start-date <day>'/],
  ]
  for (const [args, exitCode, pattern] of cases) {
    const result = await place.run(args)
    assert.match(result.stderr, pattern)
    assert.equal(result.exitCode, exitCode, result.stderr)
  }
  writeFileSync(damaged, triFile(encodeMsgpack({ n: 1 })).subarray(0, -1))
  for (const [command, name] of [
    ['export', 'c.parquet'],
    ['export', 'c.csv'],
    ['export', 'c.jsonl'],
    ['sqlite', 'c.db'],
  ] as const) {
    const path = join(place.directory, name)
    const { exitCode, stderr } = await place.run([command, ...words, path])
    assert.equal(exitCode, 1)
    assert.match(stderr, /a-store-2\.tri: the file ends inside a chunk/)
    assert.deepEqual([existsSync(path), existsSync(`${path}.partial`)], [false, false])
  }
})
