/**
 * What a key of an archive says: `YYYYMMDD/<stream>-<who>-<seconds>.tri`. The day is the day of writing, in UTC. Who
 * wrote it is a client name without a hyphen (`store` and its like), `archive` (py-triton's dump of a whole day) or a
 * shard id (an archiver of one shard).
 */
export interface ArchiveKey {
  key: string
  day: string
  stream: string
  who: string
  /** Unix seconds. They sort as numbers: as text, 1000000000 would come before 999999999. */
  seconds: number
}

/** The key for what is begun at `seconds`. */
export function archiveKey(stream: string, who: string, seconds: number): ArchiveKey {
  const day = dayOf(seconds * 1000)
  return { key: `${day}/${stream}-${who}-${seconds}.tri`, day, stream, who, seconds }
}

/** `20261125`, in UTC. */
export function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10).replaceAll('-', '')
}

/** What keys of this stream on this day begin with; keys of `stream-b` begin with it as well. */
export function prefixOf(day: string, stream: string): string {
  return `${day}/${stream}-`
}

/**
 * The parts of a key, if it is one of this stream. A key that fits two streams, `trips-store-9.tri`, belongs to the one
 * that is asked for.
 */
export function parseArchiveKey(key: string, stream: string): ArchiveKey | undefined {
  const day = key.slice(0, 8)
  if (!isDay(day) || !key.startsWith(prefixOf(day, stream))) return undefined
  const rest = restPattern.exec(key.slice(day.length + stream.length + 2))
  return rest === null ? undefined : { key, day, stream, who: rest[1] as string, seconds: Number(rest[2]) }
}

/** The parts of a key of whatever stream: as much as possible is taken for the stream's name. */
export function guessArchiveKey(key: string): ArchiveKey | undefined {
  const match = /^(\d{8})\/(.+)-(shardId-\d{12}|[^-/]+)-(\d{1,15})\.tri$/.exec(key)
  if (match === null || !isDay(match[1] as string)) return undefined
  return {
    key,
    day: match[1] as string,
    stream: match[2] as string,
    who: match[3] as string,
    seconds: Number(match[4]),
  }
}

/**
 * Where the records lie that did not decode when `key` was stored: under a name that no reader of archives looks at,
 * since their listings begin with the day.
 */
export function sideKeyOf(key: string): string {
  return `${sidePrefix}${key}`
}

export const sidePrefix = 'undecodable/'

/** Whether the text is a day of the calendar, `YYYYMMDD`. */
export function isDay(text: string): boolean {
  if (!/^\d{8}$/.test(text)) return false
  const date = new Date(`${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && dayOf(date.getTime()) === text
}

/** Every day from the first to the last, both included. */
export function daysBetween(first: string, last: string): string[] {
  const days: string[] = []
  for (let ms = dayStartMs(first); days.length === 0 || (days.at(-1) as string) < last; ms += dayMs)
    days.push(dayOf(ms))
  return days
}

export function dayStartMs(day: string): number {
  return Date.parse(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T00:00:00Z`)
}

export const dayMs = 86_400_000

/** By day and seconds; the name decides between writers of the same second. */
export function byTime(left: ArchiveKey, right: ArchiveKey): number {
  if (left.day !== right.day) return left.day < right.day ? -1 : 1
  return left.seconds - right.seconds || (left.key < right.key ? -1 : left.key > right.key ? 1 : 0)
}

export function isShardWho(who: string): boolean {
  return /^shardId-\d{12}$/.test(who)
}

const restPattern = /^(shardId-\d{12}|[^-/]+)-(\d{1,15})\.tri$/
