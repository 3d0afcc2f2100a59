import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { iteratorLifeMs } from '../kinesis/limits.ts'
import { ApiError, invalidArgument } from './api-error.ts'
import { macBytes, type Signer } from './signer.ts'

/**
 * A shard iterator, base64 of 152 + 16n bytes (the sizes that real ones have), big-endian:
 *
 *      0   00 00 00 00 00 00 00 01
 *      8   issue time, epoch milliseconds, u64
 *     16   serial of the stream, u64
 *     24   shard index, u32
 *     28   seqIx from which to read, u64
 *     36   a nonce, u64: no two iterators are the same
 *     44   length of the stream's name, u8, and the name
 *          zeros
 *    -32   HMAC-SHA256 of all of it
 *
 * The key is kept with the data, so iterators are good over a restart.
 */
export interface ShardIterator {
  readonly serial: number
  readonly streamName: string
  readonly shardIndex: number
  readonly fromSeqIx: number
}

const nameOffset = 44
const leastBytes = 152
const mostBytes = 280

export class ShardIterators {
  readonly #signer: Signer
  readonly #clock: Clock
  #nonce = randomBytes(8).readBigUInt64BE()

  constructor(signer: Signer, clock: Clock) {
    this.#signer = signer
    this.#clock = clock
  }

  issue({ serial, streamName, shardIndex, fromSeqIx }: ShardIterator): string {
    const needed = nameOffset + 1 + streamName.length + macBytes
    const bytes = Buffer.alloc(leastBytes + 16 * Math.max(0, Math.ceil((needed - leastBytes) / 16)))
    bytes[7] = 1
    bytes.writeBigUInt64BE(BigInt(Math.max(0, Math.floor(this.#clock.now()))), 8)
    bytes.writeBigUInt64BE(BigInt(serial), 16)
    bytes.writeUInt32BE(shardIndex, 24)
    bytes.writeBigUInt64BE(BigInt(fromSeqIx), 28)
    this.#nonce = BigInt.asUintN(64, this.#nonce + 1n)
    bytes.writeBigUInt64BE(this.#nonce, 36)
    bytes[nameOffset] = streamName.length
    bytes.write(streamName, nameOffset + 1, 'latin1')
    this.#signer.sign(bytes)
    return bytes.toString('base64')
  }

  /** Throws the API's errors for what we did not issue, and for what we issued too long ago. */
  read(text: string): ShardIterator {
    const bytes = Buffer.from(text, 'base64')
    const hasForm = bytes.length >= leastBytes && bytes.length <= mostBytes && bytes.toString('base64') === text
    if (!hasForm || !this.#signer.isSigned(bytes)) throw invalidArgument('Invalid ShardIterator.')
    const issuedMs = Number(bytes.readBigUInt64BE(8))
    const nowMs = this.#clock.now()
    if (nowMs - issuedMs > iteratorLifeMs)
      throw new ApiError(
        'ExpiredIteratorException',
        `Iterator expired. The iterator was created at time ${amazonTime(issuedMs)} while right now it is ${amazonTime(nowMs)} which is further in the future than the tolerated delay of ${iteratorLifeMs} milliseconds.`,
      )
    const nameLength = bytes[nameOffset] as number
    return {
      serial: Number(bytes.readBigUInt64BE(16)),
      streamName: bytes.toString('latin1', nameOffset + 1, nameOffset + 1 + nameLength),
      shardIndex: bytes.readUInt32BE(24),
      fromSeqIx: Number(bytes.readBigUInt64BE(28)),
    }
  }
}

/** `Thu Jan 22 01:22:02 UTC 2015` */
function amazonTime(epochMs: number): string {
  const [weekday = '', day, month, year, time] = new Date(epochMs).toUTCString().split(' ')
  return `${weekday.slice(0, 3)} ${month} ${day} ${time} UTC ${year}`
}
