import type { Checkpoint } from '../checkpoint/checkpoint-store.ts'
import type { StreamSource } from '../consumer/read-settings.ts'
import { positionFault } from '../consumer/start-plan.ts'
import { report } from '../diagnostics.ts'
import type { Position } from '../kinesis/position.ts'
import { parentShardIdsOf, type Shard } from '../kinesis/shard.ts'
import {
  type ArchiveKey,
  byTime,
  dayMs,
  dayOf,
  dayStartMs,
  parseArchiveKey,
  prefixOf,
  sideKeyOf,
} from './archive-key.ts'
import type { ArchiveStore } from './archive-store.ts'
import { type ObjectFooter, readFooter } from './object-footer.ts'
import { laterPlaces, type StoredPlace } from './shard-spans.ts'

/** What the store itself says about how far a client got. */
export interface StoredState {
  /** The newest object of the client, whoever wrote it. */
  newest?: ArchiveKey
  places: Map<string, StoredPlace>
}

/**
 * Looks for the newest object of this client: its footer says where each shard goes on. Days are asked from the newest
 * back, no further than Kinesis can keep records. Call it after the uploads of others were given up: then nothing can
 * come to be behind what is found here.
 */
export async function findStoredState(
  store: ArchiveStore,
  stream: string,
  client: string,
  nowMs: number,
  signal?: AbortSignal,
): Promise<StoredState> {
  const oldest = dayOf(nowMs - longestRetentionDays * dayMs)
  const days = (await store.listDays(signal)).filter((day) => day >= oldest).reverse()
  let newest: ArchiveKey | undefined
  for (const day of days) {
    const objects = await store.list(prefixOf(day, stream), signal)
    const own = objects
      .map(({ key, bytes }) => ({ bytes, parsed: parseArchiveKey(key, stream) }))
      .filter((object): object is { bytes: number; parsed: ArchiveKey } => object.parsed?.who === client)
      .sort((left, right) => byTime(right.parsed, left.parsed))
    newest ??= own.find(({ parsed }) => isOfItsDay(parsed))?.parsed
    for (const { parsed, bytes } of own) {
      const footer = await readFooter(store, { key: parsed.key, bytes }, signal)
      // An older program's, of a time before ours took over.
      if (footer === undefined) continue
      return { ...(newest && { newest }), places: placesOf(footer) }
    }
  }
  return { ...(newest && { newest }), places: new Map() }
}

/**
 * Whether the seconds are of about the day that the key lies under: go-triton's day is that of its host's time zone. What
 * somebody else put there under seconds of his own would otherwise be a predecessor for good.
 */
function isOfItsDay({ day, seconds }: ArchiveKey): boolean {
  return Math.abs(seconds * 1_000 - (dayStartMs(day) + dayMs / 2)) <= 1.5 * dayMs
}

/** A side object is stored before its main object: one without was left by a crash, and its records come again. */
export async function removeOrphanedSides(
  store: ArchiveStore,
  stream: string,
  client: string,
  newest: ArchiveKey | undefined,
  signal?: AbortSignal,
): Promise<number> {
  let count = 0
  const objects = await store.list(sideKeyOf(''), signal)
  for (const { key } of objects) {
    const parsed = parseArchiveKey(key.slice(sideKeyOf('').length), stream)
    if (parsed?.who !== client || (newest !== undefined && byTime(parsed, newest) <= 0)) continue
    await store.remove(key, signal)
    count += 1
  }
  return count
}

function placesOf(footer: ObjectFooter): Map<string, StoredPlace> {
  return new Map(
    footer.shards.map(({ shardId, last, isFinished }) => [
      shardId,
      { ...(last !== undefined && { last }), isFinished },
    ]),
  )
}

/**
 * How far every shard is stored, by footer and checkpoint together, whichever is further. Places of an earlier stream of
 * the same name are reported and dropped, as are those of shards that are gone and that nothing which still exists comes
 * from.
 */
export function knownPlaces(
  { stream }: Pick<StreamSource<unknown>, 'stream'>,
  client: string,
  stored: ReadonlyMap<string, StoredPlace>,
  checkpoints: ReadonlyMap<string, Checkpoint>,
  shards: readonly Shard[],
): Map<string, StoredPlace> {
  const kept = new Map<string, StoredPlace>()
  for (const [shardId, { sequenceNumber, isFinished }] of checkpoints)
    kept.set(shardId, { last: sequenceNumber, isFinished })
  const places = laterPlaces(kept, stored)
  for (const [shardId, { last }] of places) {
    const shard = shards.find((each) => each.shardId === shardId)
    if (shard === undefined || last === undefined || positionFault(shard, last) === undefined) continue
    report({ type: 'checkpoint-invalid', client, stream, shardId, value: last })
    places.delete(shardId)
  }
  const listed = new Set(shards.map(({ shardId }) => shardId))
  // Where nothing of what is known still exists, the reader tells what was lost.
  if (![...places.keys()].some((shardId) => listed.has(shardId))) return places
  for (const shardId of [...places.keys()]) {
    const isNeeded = shards.some((shard) => parentShardIdsOf(shard).includes(shardId) && !places.has(shard.shardId))
    if (!listed.has(shardId) && !isNeeded) places.delete(shardId)
  }
  return places
}

/** As the reader takes them. */
export function positionsOf(places: ReadonlyMap<string, StoredPlace>): Map<string, Position | 'finished'> {
  return new Map(
    Array.from(places, ([shardId, { last, isFinished }]) => [
      shardId,
      isFinished || last === undefined ? 'finished' : { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber: last },
    ]),
  )
}

/** Kinesis keeps records for a year at the most ("Change the data retention period"), and a day is cut on both ends. */
const longestRetentionDays = 367
