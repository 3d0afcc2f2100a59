/**
 * The memory that reading a large day takes: files of 19 MB (300,000 events of 190 bytes) until the day has 10 GB in the
 * store, which is three times as much decompressed. Most of the files are links to one, so that a small disk suffices.
 *
 *     node --import tsx bench/archive-day.ts [GB in the store, default 10]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { openStore } from '../src/archive/open-store.ts'
import { streamFromStore } from '../src/archive/stream-from-store.ts'
import { archiveOf } from './support/bench-events.ts'
import { writeBenchReport } from './support/bench-report.ts'

interface DayTask {
  directory: string
  recordCount: number
}

interface DayResult {
  /** After a tenth of the records, and after all. */
  tenthRssBytes: number
  maxRssBytes: number
}

const day = '20260101'
const recordsOfFile = 300_000

async function bench(): Promise<void> {
  const dayBytes = Number(process.argv[2] ?? 10) * 1e9
  const directory = mkdtempSync(join(tmpdir(), 'triton-bench-'))
  try {
    mkdirSync(join(directory, day))
    const archive = archiveOf(recordsOfFile)
    const file = join(directory, day, 'bench-store-1.tri')
    writeFileSync(file, archive)
    const fileCount = Math.ceil(dayBytes / archive.length)
    for (let n = 2; n <= fileCount; n++) linkSync(file, join(directory, day, `bench-store-${n}.tri`))
    const recordCount = fileCount * recordsOfFile
    const child = fork(import.meta.filename, ['read'], { execArgv: ['--import', 'tsx'] })
    child.send({ directory, recordCount } satisfies DayTask)
    const [result] = (await once(child, 'message')) as [DayResult]
    writeBenchReport('archive-day', [
      {
        what: `RSS of streamFromStore over a day of ${((fileCount * archive.length) / 1e9).toFixed(0)} GB, ${recordCount} records`,
        ...{ value: result.maxRssBytes / 2 ** 20, unit: 'MiB', target: { atMost: 250, of: 'value' } },
      },
      {
        ...{ what: 'the same', value: result.maxRssBytes / 2 ** 20, unit: 'MiB' },
        ...{
          baseline: { what: 'after a tenth of it', value: result.tenthRssBytes / 2 ** 20 },
          target: { atMost: 1.2, of: 'ratio' },
        },
      },
    ])
  } finally {
    rmSync(directory, { recursive: true })
  }
}

async function readHere({ directory, recordCount }: DayTask): Promise<void> {
  await using store = openStore(pathToFileURL(directory).href)
  let count = 0
  let tenthRssBytes = 0
  for await (const data of streamFromStore(store, { name: 'bench', format: 'msgpack' }, day)) {
    if (data !== undefined) count += 1
    if (count === Math.floor(recordCount / 10)) tenthRssBytes = maxRssBytes()
  }
  if (count !== recordCount) throw new Error(`${count} of ${recordCount} records came`)
  const result: DayResult = { tenthRssBytes, maxRssBytes: maxRssBytes() }
  process.send?.(result, () => process.disconnect())
}

function maxRssBytes(): number {
  return process.resourceUsage().maxRSS * 1_024
}

if (process.argv[2] === 'read') process.once('message', (task) => void readHere(task as DayTask))
else await bench()
