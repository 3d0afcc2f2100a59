import { mkdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { getStream, loadConfig, openStore } from 'triton-kinesis'
import type { Row } from './input.ts'
import type { Processes } from './processes.ts'

/** What became of the records in the archive. */
export interface ArchiveProof {
  storedCount: number
  /** Lines of the input that `triton cat` did not print, and that the replay did not bring. */
  missingInCat: number
  missingInReplay: number
  /** Records that the replay brought and the archive does not hold, or the other way round. */
  differing: number
}

/** For longer than Kinesis: the stream is stored, a day of the archive is printed, and the past is played again. */
export async function runArchiveAct(
  processes: Processes,
  directory: string,
  streamName: string,
  total: number,
  tell: (text: string) => void,
): Promise<ArchiveProof> {
  const archive = join(directory, 'archive')
  mkdirSync(archive)
  const url = pathToFileURL(archive).href
  await processes.run('store', '-s', streamName, '--store', url, '--until-caught-up')
  await using store = openStore(url)
  const days = await store.listDays()
  const [day = ''] = days
  tell(`'triton store' keeps the stream in ${relative('', archive)}, where no retention ends`)

  const printed = new Set<number>()
  let storedCount = 0
  const end = days.at(-1) ?? day
  await processes.readLines(['cat', '-s', streamName, '--store', url, '-t', day, '-e', end], (line) => {
    storedCount += 1
    printed.add(Number((JSON.parse(line) as Row)['_line']))
  })
  tell(`'triton cat' prints the day, ${storedCount.toLocaleString('en')} lines`)

  const replayed = new Set<number>()
  let replayedCount = 0
  await using stream = getStream<Row>(streamName, loadConfig())
  const live = { untilCaughtUp: true }
  for await (const batch of stream.replay(store, { start: day, thenLive: true, live }).batches()) {
    replayedCount += batch.length
    for (const { data } of batch) replayed.add(Number(data?.['_line']))
  }
  tell('a replay brought the past again, and went on live behind it')
  return {
    storedCount,
    missingInCat: total - printed.size,
    missingInReplay: total - replayed.size,
    differing: Math.abs(replayedCount - storedCount),
  }
}
