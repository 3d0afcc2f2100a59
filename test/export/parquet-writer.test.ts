import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { exportTable } from '../../src/export/export-table.ts'
import { ParquetTable } from '../../src/export/parquet-writer.ts'

/** What DuckDB finds in a file of these records. */
async function readBack(records: readonly unknown[], query: (file: string) => string): Promise<unknown[][]> {
  const directory = await mkdtemp(join(tmpdir(), 'triton-parquet-'))
  try {
    const file = join(directory, 'a.parquet')
    const read = async function* () {
      for (let at = 0; at < records.length; at += 10) yield records.slice(at, at + 10)
    }
    await exportTable(read, (columns) => new ParquetTable(file, columns))
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    try {
      return (await connection.runAndReadAll(query(file))).getRows()
    } finally {
      connection.closeSync()
      instance.closeSync()
    }
  } finally {
    await rm(directory, { recursive: true })
  }
}

test('records without a field are rows all the same', async () => {
  assert.deepEqual(await readBack([{}, {}, {}], (file) => `SELECT count(*) FROM '${file}'`), [[3n]])
})

test('large records end a group of rows before it outgrows memory', async () => {
  const records = Array.from({ length: 150 }, (_, n) => ({ n, text: String(n % 10).repeat(1024 * 1024) }))
  const groups = (file: string) => `SELECT count(DISTINCT row_group_id), sum(row_group_num_rows) FILTER
    (WHERE path_in_schema = 'n') FROM parquet_metadata('${file}')`
  const [row] = await readBack(records, groups)
  assert.deepEqual(row?.map(Number), [3, 150])
  const sums = await readBack(records, (file) => `SELECT sum(n), sum(length(text)) FROM '${file}'`)
  assert.deepEqual(sums[0]?.map(Number), [(150 * 149) / 2, 150 * 1024 * 1024])
})
