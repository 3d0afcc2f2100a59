/**
 * Sequence numbers, version 2: 186 bits, written in decimal. As 47 hex digits:
 *
 *     0        `2`
 *     1..9     create time of the shard, epoch seconds
 *     10       low 4 bits of the shard index
 *     11..26   seqIx, 63 bits
 *     27..28   `00`
 *     29..37   seqTime, epoch seconds
 *     38..45   shard index, 32 bits, two's complement
 *     46       `2`, the version
 *
 * Real numbers from 2019 to 2026 decode this way. Versions 0 and 1 were issued before 2014; they are only recognised.
 */
export interface SequenceNumberParts {
  version: 0 | 1 | 2
  /** Epoch seconds at which the shard was created. */
  createTimeSeconds: number
  /** The number in the shard's id; negative only in numbers that no shard ever had. */
  shardIndex: number
  /** Rises by one from record to record; 0 in a StartingSequenceNumber, 2^63 - 1 in an EndingSequenceNumber. */
  seqIx: bigint
  /** Epoch seconds at which the record was accepted; 0 in version 0. */
  seqTimeSeconds: number
}

/** The seqIx of every EndingSequenceNumber: above any that a record can have. */
export const endingSeqIx = 0x7fff_ffff_ffff_ffffn

/** One step of seqIx, everything else equal. */
export const seqIxStep = 1n << 80n

/** The decimal form of a version 2 sequence number. */
export function formatSequenceNumber(parts: Omit<SequenceNumberParts, 'version'>): string {
  return sequenceNumberValue(parts).toString()
}

/** The same as a number, to add `seqIxStep` to for the records that follow in the same second. */
export function sequenceNumberValue(parts: Omit<SequenceNumberParts, 'version'>): bigint {
  return (
    (2n << 184n) |
    (BigInt(parts.createTimeSeconds) << 148n) |
    (BigInt(parts.shardIndex & 0xf) << 144n) |
    (parts.seqIx << 80n) |
    (BigInt(parts.seqTimeSeconds) << 36n) |
    (BigInt(parts.shardIndex >>> 0) << 4n) |
    2n
  )
}

/** What stands in a sequence number, or undefined when Kinesis could never have issued it. */
export function parseSequenceNumber(text: string): SequenceNumberParts | undefined {
  if (!sequenceNumberPattern.test(text)) return undefined
  const value = BigInt(text)
  const parts = value < 1n << 129n ? parseVersion0(value) : parseNewer(value)
  return parts !== undefined && parts.createTimeSeconds < createTimeLimitSeconds ? parts : undefined
}

/** -1, 0 or 1, by numeric value: sequence numbers of different lengths exist. */
export function compareSequenceNumbers(left: string, right: string): -1 | 0 | 1 {
  if (left.length !== right.length) return left.length < right.length ? -1 : 1
  return left < right ? -1 : left > right ? 1 : 0
}

/** Whether text has the form of a sequence number (the API's constraint), whatever it says. */
export function looksLikeSequenceNumber(text: string): boolean {
  return sequenceNumberPattern.test(text)
}

const sequenceNumberPattern = /^(0|[1-9]\d{0,128})$/

/** A create time from which on Kinesis calls a number invalid (observed by kinesalite's suite). */
const createTimeLimitSeconds = 16_025_175_000

function parseVersion0(given: bigint): SequenceNumberParts {
  const value = given < 1n << 124n ? given + (1n << 124n) : given
  // The first digit is `1` in numbers that were issued; whatever else is below 2^129 is read alike (observed).
  const digits = value.toString(16)
  return {
    version: 0,
    createTimeSeconds: hex(digits, 1, 10),
    shardIndex: hex(digits, 28, 32),
    seqIx: BigInt(`0x${digits.slice(12, 28)}`),
    seqTimeSeconds: 0,
  }
}

function parseNewer(value: bigint): SequenceNumberParts | undefined {
  if (value <= 1n << 185n || value >= 3n << 184n) return undefined
  const digits = value.toString(16)
  const version = digits[46]
  const shardIndex = hex(digits, 38, 46) | 0
  const createTimeSeconds = hex(digits, 1, 10)
  if (version === '2') {
    const seqIx = BigInt(`0x${digits.slice(11, 27)}`)
    if (seqIx > endingSeqIx) return undefined
    return { version: 2, createTimeSeconds, shardIndex, seqIx, seqTimeSeconds: hex(digits, 29, 38) }
  }
  if (version !== '1') return undefined
  return {
    version: 1,
    createTimeSeconds,
    shardIndex,
    seqIx: BigInt(`0x${digits.slice(36, 38)}`),
    seqTimeSeconds: hex(digits, 13, 22),
  }
}

function hex(digits: string, from: number, to: number): number {
  return Number.parseInt(digits.slice(from, to), 16)
}
