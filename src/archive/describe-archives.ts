import { FormatError } from '../errors.ts'
import { type ArchiveKey, byTime, guessArchiveKey, parseArchiveKey, sideKeyOf, sidePrefix } from './archive-key.ts'
import type { ArchiveStore } from './archive-store.ts'
import { type ObjectFooter, readFooter } from './object-footer.ts'

export interface DescribeOptions {
  /** Only this stream's. @default all */
  stream?: string
  /** First and last day, `YYYYMMDD`, both included. @default all */
  start?: string
  end?: string
  /** Only those of this client, `archive`, or a shard id. */
  client?: string
  signal?: AbortSignal
}

/** An archive as a person wants to see it. */
export interface DescribedArchive extends ArchiveKey {
  bytes: number
  modifiedMs: number
  /** Absent of archives that an older program wrote. */
  footer?: ObjectFooter
  /** Why the footer can't be read, where there is one. */
  footerFault?: string
  /** The side object of records that are no msgpack map. */
  side?: { key: string; bytes: number }
}

/** What there is, in the order of days, streams and seconds; what is no archive is counted by `onForeign`. */
export async function describeArchives(
  store: ArchiveStore,
  { stream, start = '', end, client, signal }: DescribeOptions = {},
  onForeign: (key: string) => void = () => undefined,
): Promise<DescribedArchive[]> {
  const days = (await store.listDays(signal)).filter((day) => day >= start && day <= (end ?? day))
  const sides = new Map<string, number>()
  for (const { key, bytes } of await store.list(sidePrefix, signal)) sides.set(key, bytes)
  const described: DescribedArchive[] = []
  for (const day of days) {
    const objects = await store.list(`${day}/`, signal)
    for (let from = 0; from < objects.length; from += footersAtOnce) {
      const some = objects.slice(from, from + footersAtOnce).map(async (object) => {
        const guessed = stream === undefined ? guessArchiveKey(object.key) : parseArchiveKey(object.key, stream)
        if (guessed === undefined) {
          if (stream === undefined) onForeign(object.key)
          return
        }
        if (client !== undefined && guessed.who !== client) return
        let footerFault: string | undefined
        const footer = await readFooter(store, object, signal).catch((error: unknown) => {
          if (!(error instanceof FormatError)) throw error
          footerFault = error.message
          return undefined
        })
        // A name that fits two streams: the footer knows whose it is.
        const parsed = (footer && parseArchiveKey(object.key, footer.stream)) ?? guessed
        if (stream !== undefined && parsed.stream !== stream) return
        const sideBytes = sides.get(sideKeyOf(object.key))
        described.push({
          ...parsed,
          ...{ bytes: object.bytes, modifiedMs: object.modifiedMs },
          ...(footer && { footer }),
          ...(footerFault !== undefined && { footerFault }),
          ...(sideBytes !== undefined && { side: { key: sideKeyOf(object.key), bytes: sideBytes } }),
        })
      })
      await Promise.all(some)
    }
  }
  return described.sort((left, right) => byTime(left, right))
}

/** One client's archives of one stream, together. */
export interface ArchiveSummary {
  stream: string
  client: string
  firstDay: string
  lastDay: string
  objectCount: number
  bytes: number
  /** Of archives with a footer. */
  recordCount: number
  undecodableCount: number
  shardCount: number
  /** Archives without a footer, whose records are not counted. */
  uncountedObjects: number
  firstArrivedMs?: number
  lastArrivedMs?: number
}

export function summarizeArchives(archives: readonly DescribedArchive[]): ArchiveSummary[] {
  const summaries = new Map<string, ArchiveSummary & { shards: Set<string> }>()
  for (const { stream, who, day, bytes, footer } of archives) {
    const client = who.startsWith('shardId-') ? 'shardId' : who
    const key = `${stream}\0${client}`
    let summary = summaries.get(key)
    if (summary === undefined) {
      summary = {
        ...{ stream, client, firstDay: day, lastDay: day, objectCount: 0, bytes: 0, recordCount: 0 },
        ...{ undecodableCount: 0, shardCount: 0, uncountedObjects: 0, shards: new Set() },
      }
      summaries.set(key, summary)
    }
    summary.lastDay = day
    summary.objectCount += 1
    summary.bytes += bytes
    if (footer === undefined) {
      summary.uncountedObjects += 1
      continue
    }
    summary.recordCount += footer.recordCount
    summary.undecodableCount += footer.undecodableCount
    for (const { shardId } of footer.shards) summary.shards.add(shardId)
    summary.firstArrivedMs = Math.min(footer.firstArrivedMs, summary.firstArrivedMs ?? Number.POSITIVE_INFINITY)
    summary.lastArrivedMs = Math.max(footer.lastArrivedMs, summary.lastArrivedMs ?? 0)
  }
  return [...summaries.values()].map(({ shards, ...summary }) => ({ ...summary, shardCount: shards.size }))
}

/** For people: `2026-11-25 10:00:00Z`. */
export function momentText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}Z`
}

const footersAtOnce = 16
