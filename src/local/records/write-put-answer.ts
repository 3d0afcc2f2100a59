import { shardIdOf } from '../../kinesis/shard.ts'
import type { BodyFormat } from '../shapes/read-input.ts'
import type { LiveStream } from '../state/live-stream.ts'
import type { AppendBlock } from '../stream-log.ts'
import { encodeCbor } from '../wire/encode-answer.ts'
import { SequenceText, sequenceNumberDigits } from './sequence-text.ts'

/** The answer to a PutRecords of which no record failed, written into one buffer. */
export function writePutAnswer(
  stream: LiveStream,
  blocks: readonly AppendBlock[],
  shardIndexes: Int32Array,
  format: BodyFormat,
): Buffer {
  const layout = format === 'json' ? jsonLayout : cborLayout
  const isEncrypted = typeof stream.state.keyId === 'string'
  const entries = new Map<number, Entry>()
  let entryBytes = 0
  for (const block of blocks) {
    const entry = new Entry(layout, stream, block)
    entries.set(block.shardIndex, entry)
    entryBytes = Math.max(entryBytes, entry.bytes.length)
  }
  const head = layout.head(shardIndexes.length, isEncrypted)
  const out = Buffer.allocUnsafe(head.length + shardIndexes.length * (entryBytes + 1) + 2)
  let at = head.copy(out)
  for (let record = 0; record < shardIndexes.length; record++) {
    const entry = entries.get(shardIndexes[record] as number) as Entry
    if (format === 'json' && record > 0) out[at++] = 0x2c
    out.set(entry.bytes, at)
    at += entry.bytes.length
    if (--entry.recordsLeft > 0) entry.number.advance()
  }
  at += layout.tail.copy(out, at)
  return out.subarray(0, at)
}

/** The answer for one record of a shard; its number is counted up in place. */
class Entry {
  readonly bytes: Buffer
  readonly number: SequenceText
  recordsLeft: number

  constructor(layout: Layout, stream: LiveStream, block: AppendBlock) {
    const { shardIndex, firstSeqIx, recordCount, seqTimeSeconds } = block
    this.recordsLeft = recordCount
    this.bytes = layout.entry(shardIdOf(shardIndex))
    const digits = this.bytes.subarray(layout.digitsAt, layout.digitsAt + sequenceNumberDigits)
    const createdSeconds = stream.shard(shardIndex)?.createdSeconds ?? 0
    this.number = new SequenceText(createdSeconds, shardIndex, firstSeqIx, seqTimeSeconds, digits)
  }
}

interface Layout {
  head(recordCount: number, isEncrypted: boolean): Buffer
  entry(shardId: string): Buffer
  /** Where an entry's sequence number stands. */
  digitsAt: number
  tail: Buffer
}

const digits = '0'.repeat(sequenceNumberDigits)

const jsonLayout: Layout = {
  head: (_, isEncrypted) =>
    Buffer.from(`{"FailedRecordCount":0,${isEncrypted ? '"EncryptionType":"KMS",' : ''}"Records":[`),
  entry: (shardId) => Buffer.from(`{"SequenceNumber":"${digits}","ShardId":"${shardId}"}`),
  digitsAt: 19,
  tail: Buffer.from(']}'),
}

const encryptionMember = encodeCbor({ EncryptionType: 'KMS' }).subarray(1)

const cborLayout: Layout = {
  head: (recordCount, isEncrypted) =>
    Buffer.concat([
      Buffer.of(isEncrypted ? 0xa3 : 0xa2, 0x71),
      Buffer.from('FailedRecordCount'),
      Buffer.of(0),
      isEncrypted ? encryptionMember : Buffer.alloc(0),
      Buffer.of(0x67),
      Buffer.from('Records'),
      Buffer.of(0x99, recordCount >> 8, recordCount & 0xff),
    ]),
  entry: (shardId) =>
    Buffer.concat([
      Buffer.of(0xa2, 0x6e),
      Buffer.from('SequenceNumber'),
      Buffer.of(0x78, sequenceNumberDigits),
      Buffer.from(digits),
      Buffer.of(0x67),
      Buffer.from('ShardId'),
      Buffer.of(0x60 | shardId.length),
      Buffer.from(shardId),
    ]),
  digitsAt: 18,
  tail: Buffer.alloc(0),
}
