import { FormatError } from '../errors.ts'
import { compareSequenceNumbers } from '../kinesis/sequence-number.ts'
import { losslessJsonOf } from '../record/lossless-json.ts'
import type { TriPart } from '../record/tri-records.ts'
import type { ArchiveStore } from './archive-store.ts'
import type { DescribedArchive } from './describe-archives.ts'
import type { ObjectFooter } from './object-footer.ts'
import { readReported } from './read-archives.ts'

/** What was read of one archive, and what is wrong with it. */
export interface VerifiedArchive {
  key: string
  recordCount: number
  /** In words; empty when all is well. */
  faults: string[]
}

interface Counted {
  /** Our own writer's blocks: a file that has them ends with a footer. */
  hasPositions: boolean
  recordCount: number
  plainBytes: number
  shards: Map<string, { first: string; last: string; count: number }>
}

/**
 * Reads every archive from front to back: checksums, records that decode, and counts and positions as the footer says.
 * Whether archives follow one another without gap and overlap, `chainFaults` tells.
 */
export async function* verifyArchives(
  store: ArchiveStore,
  archives: readonly DescribedArchive[],
  signal?: AbortSignal,
): AsyncGenerator<VerifiedArchive> {
  const chain = new Map(chainFaults(archives).map(({ key, faults }) => [key, faults]))
  for (const archive of archives) {
    const { key, footer, footerFault, side } = archive
    const faults: string[] = footerFault === undefined ? [] : [footerFault]
    const counted = emptyCount()
    await count(store, key, counted, faults, signal)
    if (counted.hasPositions && footer === undefined && footerFault === undefined && faults.length === 0)
      faults.push('it holds positions and ends without a footer: the file was cut')
    const ofMain = counted.recordCount
    const plainBytes = counted.plainBytes
    if (side !== undefined) await count(store, side.key, counted, faults, signal)
    if (footer !== undefined) {
      faults.push(
        ...footerFaults(footer, { ...counted, recordCount: ofMain, plainBytes }, counted.recordCount - ofMain),
      )
    }
    faults.push(...(chain.get(key) ?? []))
    yield { key, recordCount: ofMain, faults }
  }
}

async function count(
  store: ArchiveStore,
  key: string,
  counted: Counted,
  faults: string[],
  signal?: AbortSignal,
): Promise<void> {
  try {
    for await (const part of readReported(store.read(key, {}, signal), key, false))
      if (part.type === 'records') countBlock(part, counted)
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    faults.push(error.message.startsWith(`${key}: `) ? error.message.slice(key.length + 2) : error.message)
  }
}

function countBlock(block: TriPart & { type: 'records' }, counted: Counted): void {
  const { bytes, start, ends, positions, recordNumber } = block
  if (positions !== undefined) counted.hasPositions = true
  const places = positions?.places(bytes, start)
  let begin = start
  for (const [index, end] of ends.entries()) {
    try {
      losslessJsonOf(bytes.subarray(begin, end))
    } catch (cause) {
      throw new FormatError(`record ${recordNumber + index} does not decode: ${(cause as Error).message}`, block.offset)
    }
    counted.plainBytes += end - begin
    begin = end
    counted.recordCount += 1
    const place = places?.[index]
    if (place === undefined) continue
    const { shardId, sequenceNumber } = place
    const shard = counted.shards.get(shardId)
    if (shard === undefined) counted.shards.set(shardId, { first: sequenceNumber, last: sequenceNumber, count: 1 })
    else {
      shard.count += 1
      if (compareSequenceNumbers(sequenceNumber, shard.first) < 0) shard.first = sequenceNumber
      if (compareSequenceNumbers(sequenceNumber, shard.last) > 0) shard.last = sequenceNumber
    }
  }
}

function footerFaults(footer: ObjectFooter, counted: Counted, undecodableCount: number): string[] {
  const faults: string[] = []
  const expect = (what: string, found: unknown, said: unknown) => {
    if (found !== said) faults.push(`${what}: the footer says ${said}, and there are ${found}`)
  }
  expect('records', counted.recordCount, footer.recordCount)
  expect('plain bytes', counted.plainBytes, footer.plainBytes)
  expect('records in the side object', undecodableCount, footer.undecodableCount)
  for (const { shardId, first, last, count } of footer.shards) {
    const found = counted.shards.get(shardId)
    expect(`records of ${shardId}`, found?.count ?? 0, count)
    if (found === undefined) continue
    if (found.first !== first) faults.push(`${shardId} begins with ${found.first}; the footer says ${first}`)
    if (found.last !== last) faults.push(`${shardId} ends with ${found.last}; the footer says ${last}`)
  }
  for (const shardId of counted.shards.keys())
    if (!footer.shards.some((span) => span.shardId === shardId)) faults.push(`the footer does not know ${shardId}`)
  return faults
}

/**
 * Whether each object's `after` is its predecessor's last, shard by shard, for every stream and client by itself. The
 * first object looked at has no predecessor, nor has one behind an archive without a footer.
 */
export function chainFaults(
  archives: readonly Pick<DescribedArchive, 'key' | 'stream' | 'who' | 'footer'>[],
): { key: string; faults: string[] }[] {
  const before = new Map<string, Map<string, string | undefined>>()
  return archives.map(({ key, stream, who, footer }) => {
    const chain = `${stream}\0${who}`
    if (footer === undefined) {
      before.delete(chain)
      return { key, faults: [] }
    }
    const known = before.get(chain)
    const faults: string[] = []
    for (const { shardId, after } of footer.shards) {
      const last = known?.get(shardId)
      if (known === undefined || (last === undefined && after === undefined)) continue
      if (last === undefined) {
        if (after !== undefined) faults.push(`${shardId} goes on after ${after}, which no object before it stored`)
      } else if (after === undefined) faults.push(`${shardId} begins anew, and the object before ended at ${last}`)
      else if (compareSequenceNumbers(after, last) > 0)
        faults.push(`a gap in ${shardId}: the object before ended at ${last}, this one goes on after ${after}`)
      else if (compareSequenceNumbers(after, last) < 0)
        faults.push(`an overlap in ${shardId}: the object before ended at ${last}, this one goes on after ${after}`)
    }
    const next = new Map(known)
    for (const { shardId, last } of footer.shards) if (last !== undefined) next.set(shardId, last)
    before.set(chain, next)
    return { key, faults }
  })
}

function emptyCount(): Counted {
  return { hasPositions: false, recordCount: 0, plainBytes: 0, shards: new Map() }
}
