import { hashKeyOf } from '../../kinesis/hash-key.ts'
import { maxBatchBytes } from '../../kinesis/limits.ts'
import { shardIdOf } from '../../kinesis/shard.ts'
import type { EngineCore } from '../engine-core.ts'
import { encryptionTypeOf } from '../operations/describe-stream-basics.ts'
import type { BodyFormat } from '../shapes/read-input.ts'
import type { LiveStream, ShardBatch, Written } from '../state/live-stream.ts'
import type { RoutingTable } from '../state/routing-table.ts'
import { maxRecordBytes } from '../state/stream-state.ts'
import type { AnswerObject } from '../wire/encode-answer.ts'
import { CborPutScan } from './cbor-put-scan.ts'
import { JsonPutScan } from './json-put-scan.ts'
import { packedHeaderBytes } from './packed-records.ts'
import { mostScanned, type PutScan } from './put-scan.ts'
import { longestShortKeyBytes, shortKeyHashTop } from './short-key-hash.ts'
import { writePutAnswer } from './write-put-answer.ts'
import { WrittenNumbers } from './written-numbers.ts'

/**
 * The way of nearly all records: from the body straight into the blocks that the log takes, without an object for a
 * record. Answers undefined, with nothing done, whenever something is not plain; then the checks and `putBatch` say
 * what it is.
 */
export function putScanned(core: EngineCore, body: Buffer, format: BodyFormat): Promise<Buffer> | undefined {
  const scan = scans[format]
  if (!scan.scan(body, 'PutRecords')) return undefined
  const put = packAndWrite(core, scan, body)
  if (put === undefined) return undefined
  const { stream, shardIndexes, written } = put
  return written.stored.then(() => writePutAnswer(stream, written.blocks, shardIndexes, format))
}

/** The same for the one record of a PutRecord. */
export function putOneScanned(core: EngineCore, body: Buffer, format: BodyFormat): Promise<AnswerObject> | undefined {
  const scan = scans[format]
  if (!scan.scan(body, 'PutRecord')) return undefined
  const put = packAndWrite(core, scan, body)
  if (put === undefined) return undefined
  const { stream, shardIndexes, written } = put
  return written.stored.then(() => describeOne(stream, shardIndexes[0] as number, written))
}

/** What a PutRecord answers. */
export function describeOne(stream: LiveStream, shardIndex: number, { blocks }: Written): AnswerObject {
  return {
    ShardId: shardIdOf(shardIndex),
    SequenceNumber: new WrittenNumbers(stream, blocks).next(shardIndex),
    EncryptionType: encryptionTypeOf(stream.state),
  }
}

interface ScannedPut {
  stream: LiveStream
  shardIndexes: Int32Array
  written: Written
}

function packAndWrite(core: EngineCore, scan: PutScan, body: Buffer): ScannedPut | undefined {
  const stream = core.streams.get(scan.streamName)
  if (stream === undefined || !stream.isOpen || !stream.isServing) return undefined
  const shardIndexes = new Int32Array(scan.count)
  const batches = pack(scan, body, stream, shardIndexes)
  if (batches === undefined) return undefined
  return { stream, shardIndexes, written: stream.write(batches, core.clock.now()) }
}

/** One of each suffices: a scan is used up before anything else happens. */
const scans: Record<BodyFormat, PutScan> = { cbor: new CborPutScan(), json: new JsonPutScan() }
const dataBytes = new Int32Array(mostScanned)

function pack(
  scan: PutScan,
  body: Buffer,
  { routing, state }: LiveStream,
  shardIndexes: Int32Array,
): ShardBatch[] | undefined {
  const { count, keyLength } = scan
  const mostRecordBytes = maxRecordBytes(state)
  const isAuto = state.distribution === 'AUTO'
  const sizes = new Map<number, number>()
  let total = 0
  for (let record = 0; record < count; record++) {
    const length = scan.dataBytes(body, record)
    const bytes = length + (keyLength[record] as number)
    if (length < 0 || bytes > mostRecordBytes) return undefined
    const shardIndex = isAuto ? routing.nextInTurn() : route(scan, body, record, routing)
    dataBytes[record] = length
    shardIndexes[record] = shardIndex
    sizes.set(shardIndex, (sizes.get(shardIndex) ?? 0) + packedHeaderBytes + bytes)
    total += bytes
  }
  if (total > maxBatchBytes) return undefined
  const places = new Map<number, { batch: ShardBatch & { bytes: Buffer }; end: number }>()
  for (const [shardIndex, size] of sizes)
    places.set(shardIndex, { batch: { shardIndex, recordCount: 0, bytes: Buffer.allocUnsafe(size) }, end: 0 })
  for (let record = 0; record < count; record++) {
    const place = places.get(shardIndexes[record] as number) as { batch: ShardBatch & { bytes: Buffer }; end: number }
    const { bytes } = place.batch
    const keyBytes = keyLength[record] as number
    const length = dataBytes[record] as number
    const keyAt = scan.keyAt[record] as number
    const at = place.end
    bytes[at] = keyBytes
    bytes[at + 1] = keyBytes >>> 8
    bytes[at + 2] = length
    bytes[at + 3] = length >>> 8
    bytes[at + 4] = length >>> 16
    bytes[at + 5] = length >>> 24
    for (let index = 0; index < keyBytes; index++) bytes[at + packedHeaderBytes + index] = body[keyAt + index] as number
    if (!scan.copyData(body, record, bytes, at + packedHeaderBytes + keyBytes)) return undefined
    place.end = at + packedHeaderBytes + keyBytes + length
    place.batch.recordCount++
  }
  return [...places.values()].map(({ batch }) => batch)
}

function route(scan: PutScan, body: Buffer, record: number, routing: RoutingTable): number {
  if (routing.onlyShardIndex !== undefined) return routing.onlyShardIndex
  const keyAt = scan.keyAt[record] as number
  const keyLength = scan.keyLength[record] as number
  const key = () => body.toString('latin1', keyAt, keyAt + keyLength)
  if (keyLength > longestShortKeyBytes) return routing.shardOf(key())
  return routing.shardAt(shortKeyHashTop(body, keyAt, keyLength), () => hashKeyOf(key()))
}
