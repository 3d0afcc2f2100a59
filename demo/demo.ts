import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { getStream, initCheckpointTable, loadConfig, type Stream } from 'triton-kinesis'
import { freePort } from '../test/support/free-port.ts'
import { type ArchiveProof, runArchiveAct } from './archive-act.ts'
import { type DaemonProof, runDaemonAct } from './daemon-act.ts'
import { type Input, type Row, readInput } from './input.ts'
import { Processes } from './processes.ts'
import { NoteFollower, type Proof } from './proof.ts'
import { recordsPerCheckpoint } from './reader-rhythm.ts'
import { bar, bars, Screen } from './screen.ts'

/**
 * Real records go through a Kinesis stream on this machine; its reader and its engine are killed and a shard is split
 * on the way. At the end, everything that was put has to have been read.
 */
const streamName = 'flights'
const daemonStreamName = 'flights_by_tritond'
const shardCount = 4
/** A small input is put more slowly, so that what happens on the way happens on the way; a large one faster. */
const leastPutSeconds = 5
const usualRecordsPerSecond = 4000
const usualPutSeconds = 20
const mostRecordsPerSecond = 12_000
/** Nothing put and nothing read for so long: something is wrong. */
const longestStandstillMs = 30_000

interface Progress {
  putCount: number
  startedMs: number
  putEndedMs: number
}

const { values: options } = parseArgs({
  options: { input: { type: 'string' }, key: { type: 'string' }, directory: { type: 'string' } },
})
const directory = resolve(options.directory ?? join(import.meta.dirname, '../.cache/demo'))
const screen = new Screen()

try {
  const proof = await runDemo(readInput(options.input, options.key))
  process.exitCode = proof.isGood ? 0 : 1
} catch (error) {
  screen.print(`demo: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

async function runDemo({ rows, keyField, title }: Input): Promise<{ isGood: boolean }> {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const noteFile = join(directory, 'read.jsonl')
  writeFileSync(noteFile, '')

  await using processes = new Processes(directory, await freePort(), [streamName, daemonStreamName], keyField)
  Object.assign(process.env, processes.environment)
  let engine = await processes.startEngine(streamName, shardCount)
  screen.tell(
    `a Kinesis engine listens on ${processes.endpoint} and keeps its data in ${relative('', join(directory, 'engine'))}`,
  )

  await initCheckpointTable()
  await using stream = getStream<Row>(streamName, loadConfig())
  screen.tell(
    `${countText(rows.length)} ${title} ${rows.length === 1 ? 'goes' : 'go'} into stream '${streamName}' of ${shardCount} shards, keyed by '${keyField}'`,
  )

  using notes = new NoteFollower(noteFile)
  const { proof } = notes
  let reader = processes.startReader(streamName, noteFile, keyField)
  const progress: Progress = { putCount: 0, startedMs: performance.now(), putEndedMs: 0 }
  let putError: unknown
  const putting = putAll(stream, rows, progress).catch((error: unknown) => {
    putError = error
  })

  await until(() => progress.putCount >= rows.length * 0.25)
  await processes.run('stream', 'split', '-s', streamName, '--shard', '1')
  screen.tell('shard 1 was split while records went in: it is read to its end, then its two children')

  // Between two checkpoints, so that the new reader is handed some records again.
  await until(() => proof.distinctCount >= rows.length * 0.5 + Math.min(recordsPerCheckpoint / 3, rows.length * 0.25))
  await processes.kill(reader)
  notes.follow()
  screen.tell(
    `the reader was killed (SIGKILL) after ${countText(proof.distinctCount)} records; the next carries on at its checkpoint`,
  )
  reader = processes.startReader(streamName, noteFile, keyField)

  await until(() => progress.putCount >= rows.length * 0.75)
  await processes.kill(engine)
  screen.tell('the engine was killed (SIGKILL) in the middle of writes; it starts again on the same data')
  engine = await processes.startEngine(streamName, shardCount)

  await until(() => progress.putEndedMs > 0)
  await putting
  screen.tell('every put was acknowledged')
  await until(() => proof.distinctCount >= rows.length)
  const readEndedMs = performance.now()
  reader.disconnect()
  await processes.ended(reader, 'the reader', longestStandstillMs)
  notes.follow()
  await processes.run('stream', 'create', '-s', daemonStreamName, '--shards', '2')
  const daemonProof = await runDaemonAct(processes, directory, daemonStreamName, rows, (text) => screen.tell(text))
  const archiveProof = await runArchiveAct(processes, directory, streamName, rows.length, (text) => screen.tell(text))
  engine.kill('SIGTERM')
  await processes.ended(engine, 'the engine', longestStandstillMs)
  return tellProof(proof, rows.length, progress, readEndedMs, daemonProof, archiveProof)

  async function until(isReached: () => boolean): Promise<void> {
    let moved = { count: -1, ms: 0 }
    while (!isReached()) {
      const count = progress.putCount + proof.distinctCount
      if (count !== moved.count) moved = { count, ms: performance.now() }
      if (putError) throw putError
      if (reader.exitCode !== null) throw new Error(`the reader ended by itself: ${processes.lastWordsOf(reader)}`)
      if (performance.now() - moved.ms > longestStandstillMs)
        throw new Error(`nothing moved for ${longestStandstillMs / 1000} s: ${progressText()}`)
      await wait(20)
      notes.follow()
      screen.progress(progressText())
    }
  }

  function progressText(): string {
    const [put, read] = [progress.putCount, proof.distinctCount]
    return `put ${bar(put / rows.length, 20)} ${countText(put)}   read ${bar(read / rows.length, 20)} ${countText(read)}`
  }
}

/** Puts in input order, paced so that a person can watch. */
async function putAll(stream: Stream<Row>, rows: Row[], progress: Progress): Promise<void> {
  const recordsPerSecond = paceOf(rows.length)
  const recordsPerPut = Math.ceil(recordsPerSecond / 20)
  for (let from = 0; from < rows.length; from += recordsPerPut) {
    const outcomes = await stream.putMany(rows.slice(from, from + recordsPerPut))
    for (const outcome of outcomes) if (!outcome.ok) throw atLine(outcome.record, outcome.error)
    progress.putCount += outcomes.length
    const dueMs = progress.startedMs + (progress.putCount / recordsPerSecond) * 1000
    await wait(Math.max(0, dueMs - performance.now()))
  }
  progress.putEndedMs = performance.now()
}

function atLine(row: Row, error: Error): Error {
  return new Error(`line ${row['_line']}: ${error.message}`, { cause: error })
}

function tellProof(
  proof: Proof,
  total: number,
  progress: Progress,
  readEndedMs: number,
  daemon: DaemonProof,
  archive: ArchiveProof,
): { isGood: boolean } {
  const missing = proof.missingOf(total)
  const isArchived = archive.missingInCat === 0 && archive.missingInReplay === 0 && archive.differing === 0
  const isGood = missing.length === 0 && proof.outOfOrder === 0 && daemon.missing === 0 && isArchived
  const rate = (endedMs: number) => countText(Math.round((total / (endedMs - progress.startedMs)) * 1000))
  screen.print(`
records per shard
${bars(proof.recordsOfShard)}

rates, outages included
  put   ${rate(progress.putEndedMs)} records a second (paced at ${countText(paceOf(total))})
  read  ${rate(readEndedMs)} records a second

the proof
  every record read   ${missing.length === 0 ? `yes, all ${countText(total)}` : `NO: ${missing.length} missing, the first is line ${missing[0]}`}
  read twice          ${countText(proof.readAgain)}, those after the killed reader's last checkpoint
  stored twice        ${countText(proof.writtenAgain)}, those whose answer was lost with the killed engine
  order kept per key  ${proof.outOfOrder === 0 ? `yes, for each of ${countText(proof.keyCount)} keys` : `NO: ${proof.outOfOrder} records came late`}

through tritond
  every record arrived  ${daemon.missing === 0 ? `yes, all ${countText(daemon.total)}` : `NO: ${daemon.missing} missing`}
  stored twice          ${countText(daemon.storedTwice)}, those whose way was cut by the killed daemon

in the archive
  every record stored   ${archive.missingInCat === 0 ? `yes, all ${countText(total)}` : `NO: ${archive.missingInCat} missing`}
  every record replayed ${archive.missingInReplay === 0 && archive.differing === 0 ? `yes, all ${countText(total)}` : `NO: ${archive.missingInReplay} missing, ${archive.differing} that are not stored`}`)
  return { isGood }
}

function paceOf(total: number): number {
  const usual = Math.min(usualRecordsPerSecond, Math.ceil(total / leastPutSeconds))
  return Math.min(mostRecordsPerSecond, Math.max(usual, Math.ceil(total / usualPutSeconds)))
}

function countText(count: number): string {
  return count.toLocaleString('en')
}
