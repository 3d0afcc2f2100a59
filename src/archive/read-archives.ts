import { report } from '../diagnostics.ts'
import { ConfigError, NotFoundError } from '../errors.ts'
import { type RecordBlock, readRecords, type TriPart } from '../record/tri-records.ts'
import {
  type ArchiveKey,
  dayMs,
  dayOf,
  dayStartMs,
  daysBetween,
  isDay,
  parseArchiveKey,
  prefixOf,
} from './archive-key.ts'
import type { ArchiveStore } from './archive-store.ts'
import { chooseArchives } from './choose-archives.ts'
import { ReadAhead } from './read-ahead.ts'

export interface FindOptions {
  /** Whose archives, where there are those of several. */
  client?: string
  signal?: AbortSignal
}

/** A day as `YYYYMMDD`, or a moment in it (UTC). */
export type Day = string | Date

/** The archive that is read, with its size. */
export interface ChosenArchive extends ArchiveKey {
  bytes: number
}

/**
 * The archives of a stream from one day to another, both included, in the order in which they are read. A day in between
 * that has none is reported; when no day has any, that is a NotFoundError.
 */
export async function findArchives(
  store: ArchiveStore,
  stream: string,
  start: Day,
  end: Day = start,
  { client, signal }: FindOptions = {},
): Promise<ChosenArchive[]> {
  const [first, last] = [dayText('start', start), dayText('end', end)]
  if (last < first) throw new ConfigError(`the end, ${last}, is before the start, ${first}`)
  const days = await daysToList(store, first, last, signal)
  const sizes = new Map<string, number>()
  const keys: ArchiveKey[] = []
  for (let from = 0; from < days.length; from += listingsAtOnce) {
    const some = days.slice(from, from + listingsAtOnce)
    const listings = await Promise.all(some.map((day) => store.list(prefixOf(day, stream), signal)))
    for (const { key, bytes } of listings.flat()) {
      const parsed = parseArchiveKey(key, stream)
      if (parsed === undefined) continue
      sizes.set(key, bytes)
      keys.push(parsed)
    }
  }
  const chosen = chooseArchives(keys, client)
  const ofWhom = client === undefined ? '' : ` of client ${client}`
  const when = first === last ? `of ${first}` : `from ${first} to ${last}`
  if (chosen.length === 0)
    throw new NotFoundError(`there is no archive of stream ${stream}${ofWhom} ${when} in ${store.address}`)
  reportEmptyDays(stream, first, last, [...new Set(chosen.map(({ day }) => day))])
  return chosen.map((key) => ({ ...key, bytes: sizes.get(key.key) ?? 0 }))
}

/** Of more days than a year has, those that there are: a mistyped year must not become a million listings. */
async function daysToList(store: ArchiveStore, first: string, last: string, signal?: AbortSignal): Promise<string[]> {
  if (dayStartMs(last) - dayStartMs(first) <= 366 * dayMs) return daysBetween(first, last)
  return (await store.listDays(signal)).filter((day) => day >= first && day <= last)
}

/** `found` in order. */
function reportEmptyDays(stream: string, first: string, last: string, found: readonly string[]): void {
  let fromMs = dayStartMs(first)
  for (const nextMs of [...found.map(dayStartMs), dayStartMs(last) + dayMs]) {
    if (nextMs > fromMs)
      report({ type: 'archive-days-empty', stream, firstDay: dayOf(fromMs), lastDay: dayOf(nextMs - dayMs) })
    fromMs = nextMs + dayMs
  }
}

export interface ReadArchivesOptions {
  /** Read on after damage, and behind records that do not decode, and report it, instead of failing. @default false */
  salvage?: boolean
  /** Called at each damaged place that was passed over. */
  onDamage?: () => void
  /** Files that are fetched at once. @default 3 */
  filesAtOnce?: number
  /** What may lie decompressed ahead of the reader, of each of these files, in bytes. @default 1 MiB */
  aheadBytes?: number
  signal?: AbortSignal
}

/** Records of one archive. */
export interface ArchiveBlock extends RecordBlock {
  archive: ArchiveKey
}

/**
 * The records of these archives, in their order, several blocks at a time. The next files are fetched and decompressed
 * while one is read.
 */
export async function* readArchives(
  store: ArchiveStore,
  archives: readonly ArchiveKey[],
  options: ReadArchivesOptions = {},
): AsyncGenerator<ArchiveBlock[]> {
  const { filesAtOnce = 3, aheadBytes = 1024 * 1024, salvage = false } = options
  const given = options.signal
  const closing = new AbortController()
  const signal = given === undefined ? closing.signal : AbortSignal.any([given, closing.signal])
  const files: { archive: ArchiveKey; ahead: ReadAhead<TriPart> }[] = []
  let begun = 0
  try {
    for (;;) {
      while (files.length < filesAtOnce && begun < archives.length) {
        const archive = archives[begun++] as ArchiveKey
        const parts = readArchive(store, archive.key, salvage, signal)
        files.push({ archive, ahead: new ReadAhead(parts, weightOf, aheadBytes) })
      }
      const [file] = files
      if (file === undefined) return
      const parts = await file.ahead.take()
      if (parts === undefined) {
        files.shift()
        continue
      }
      const blocks: ArchiveBlock[] = []
      for (const part of parts) {
        if (part.type === 'records') blocks.push({ ...part, archive: file.archive })
        else if (part.type === 'damage') options.onDamage?.()
      }
      if (blocks.length > 0) yield blocks
    }
  } finally {
    closing.abort()
    await Promise.all(files.map(({ ahead }) => ahead.close()))
  }
}

function readArchive(store: ArchiveStore, key: string, salvage: boolean, signal: AbortSignal): AsyncGenerator<TriPart> {
  return readReported(store.read(key, {}, signal), `${store.address}/${key}`, salvage)
}

/** The parts of a `.tri` file; what is odd or lost is reported. */
export async function* readReported(
  pieces: AsyncIterable<Uint8Array>,
  file: string,
  salvage: boolean,
): AsyncGenerator<TriPart> {
  const onOversized = (offset: number, plainBytes: number) =>
    report({ type: 'chunk-oversized', file, offset, plainBytes })
  for await (const part of readRecords(pieces, { file, salvage, onOversized })) {
    if (part.type === 'damage') {
      const { offset, until, recordNumber, reason } = part
      report({ type: 'archive-damaged', file, offset, until, recordNumber, reason })
    }
    yield part
  }
}

function weightOf(part: TriPart): number {
  return part.type === 'records' ? part.bytes.length : 0
}

function dayText(which: string, day: Day): string {
  const text = typeof day === 'string' ? day : Number.isNaN(day.getTime()) ? 'no date' : dayOf(day.getTime())
  if (isDay(text)) return text
  throw new ConfigError(`the ${which}, "${text}", is no day: YYYYMMDD is expected, such as 20261125`)
}

const listingsAtOnce = 8
