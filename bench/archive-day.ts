/**
 * The memory that reading a large day takes: archives of events of 190 bytes until the day has so many GB in the store,
 * which is three times as much decompressed. In a directory they are of 19 MB, and most of them links to one, so that a
 * small disk suffices; in S3 (s3rver, in the process beside) they are of 128 MiB, as `triton store` makes them.
 *
 *     node --import tsx bench/archive-day.ts [directory | s3, default both] [GB in the store, default 10 and 2]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { openStore } from '../src/archive/open-store.ts'
import { streamFromStore } from '../src/archive/stream-from-store.ts'
import { startTestS3 } from '../test/support/s3.ts'
import { archiveOf } from './support/bench-events.ts'
import { writeBenchReport } from './support/bench-report.ts'
import { peakRssBytes } from './support/peak-rss.ts'

interface DayTask {
  url: string
  endpoint?: string
  recordCount: number
}

interface DayResult {
  /** After a tenth of the records, and after all. */
  tenthRssBytes: number
  maxRssBytes: number
}

const day = '20260101'
const keyOf = (n: number) => `${day}/bench-store-${n}.tri`

async function inDirectory(dayBytes: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'triton-bench-'))
  try {
    mkdirSync(join(directory, day))
    const recordsOfFile = 300_000
    const archive = archiveOf(recordsOfFile)
    const file = join(directory, keyOf(1))
    writeFileSync(file, archive)
    const fileCount = Math.ceil(dayBytes / archive.length)
    for (let n = 2; n <= fileCount; n++) linkSync(file, join(directory, keyOf(n)))
    const recordCount = fileCount * recordsOfFile
    const result = await readInChild({ url: pathToFileURL(directory).href, recordCount })
    tell('archive-day', 'streamFromStore', fileCount * archive.length, recordCount, result)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

async function inS3(dayBytes: number): Promise<void> {
  await using s3 = await startTestS3()
  const recordsOfObject = 2_000_000
  const archive = archiveOf(recordsOfObject)
  const objectCount = Math.ceil(dayBytes / archive.length)
  for (let n = 1; n <= objectCount; n++) await s3.put(keyOf(n), archive)
  const recordCount = objectCount * recordsOfObject
  const result = await readInChild({ url: `s3://${s3.bucket}`, endpoint: s3.endpoint, recordCount })
  tell('archive-day-s3', 'streamFromStore from S3', objectCount * archive.length, recordCount, result)
}

function tell(bench: string, what: string, dayBytes: number, recordCount: number, result: DayResult): void {
  const { maxRssBytes, tenthRssBytes } = result
  writeBenchReport(bench, [
    {
      what: `RSS of ${what} over a day of ${(dayBytes / 1e9).toFixed(0)} GB, ${recordCount} records`,
      ...{ value: maxRssBytes / 2 ** 20, unit: 'MiB', target: { atMost: 250, of: 'value' } },
    },
    {
      ...{ what: 'the same', value: maxRssBytes / 2 ** 20, unit: 'MiB' },
      ...{
        baseline: { what: 'after a tenth of it', value: tenthRssBytes / 2 ** 20 },
        target: { atMost: 1.2, of: 'ratio' },
      },
    },
  ])
}

async function readInChild(task: DayTask): Promise<DayResult> {
  const child = fork(import.meta.filename, ['read'], { execArgv: ['--import', 'tsx'] })
  child.send(task)
  const [result] = (await once(child, 'message')) as [DayResult]
  return result
}

async function readHere({ url, endpoint, recordCount }: DayTask): Promise<void> {
  await using store = openStore(url, { ...(endpoint !== undefined && { endpoint }) })
  let count = 0
  let tenthRssBytes = 0
  for await (const data of streamFromStore(store, { name: 'bench', format: 'msgpack' }, day)) {
    if (data !== undefined) count += 1
    if (count === Math.floor(recordCount / 10)) tenthRssBytes = peakRssBytes()
  }
  if (count !== recordCount) throw new Error(`${count} of ${recordCount} records came`)
  const result: DayResult = { tenthRssBytes, maxRssBytes: peakRssBytes() }
  process.send?.(result, () => process.disconnect())
}

const [place, gigabytes] = process.argv.slice(2)
if (place === 'read') process.once('message', (task) => void readHere(task as DayTask))
else {
  if (place !== 's3') await inDirectory(Number(gigabytes ?? 10) * 1e9)
  if (place !== 'directory') await inS3(Number(gigabytes ?? 2) * 1e9)
}
