/**
 * The memory that archives take on their way into tables: that of one object, and of three times as much. A table may
 * be larger than memory, so the two must not differ by much.
 *
 *     node --import tsx bench/export.ts [records of an object, default 400,000]
 */
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { archiveOf } from './support/bench-events.ts'
import { type BenchRow, writeBenchReport } from './support/bench-report.ts'
import { buildProgram, programMemory } from './support/program-memory.ts'

const recordCount = Number(process.argv[2] ?? 400_000)
const directory = mkdtempSync(join(tmpdir(), 'triton-bench-'))
try {
  const days = ['20260101', '20260102']
  for (const day of days) mkdirSync(join(directory, day))
  const [one = '', three = ''] = days
  const object = join(directory, one, 'bench-store-1.tri')
  writeFileSync(object, archiveOf(recordCount))
  for (const n of [1, 2, 3]) linkSync(object, join(directory, three, `bench-store-${n}.tri`))
  buildProgram()
  const rows: BenchRow[] = []
  for (const form of ['jsonl', 'csv', 'parquet', 'db']) {
    const memoryOf = async (day: string) => {
      const words = [
        '--store',
        pathToFileURL(directory).href,
        '-s',
        'bench',
        '-t',
        day,
        join(directory, `${day}.${form}`),
      ]
      return (await programMemory([form === 'db' ? 'sqlite' : 'export', ...words])) / 2 ** 20
    }
    const less = await memoryOf(one)
    rows.push({
      what: `RSS of ${form === 'db' ? 'triton sqlite' : `triton export, ${form}`}, ${3 * recordCount} records`,
      ...{ value: await memoryOf(three), unit: 'MiB', baseline: { what: 'a third of them', value: less } },
      target: { atMost: 1.25, of: 'ratio' },
    })
  }
  writeBenchReport('export', rows)
} finally {
  rmSync(directory, { recursive: true })
}
