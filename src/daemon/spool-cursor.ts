import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { type Disk, type DiskFile, storageError } from '../journal/disk.ts'
import type { Place } from '../journal/journal-index.ts'

/** How far Kinesis has acknowledged a stream's journal. */
export interface SpoolPosition extends Place {
  /** Records of this segment that stand before the place. */
  recordCount: number
}

/** Whether it is the later one of two places. */
export function isBehind(place: Place, other: Place): boolean {
  return place.segment > other.segment || (place.segment === other.segment && place.offset > other.offset)
}

/**
 * A position in a file of two slots, written in turns, so that a torn write leaves the one before it. It may be older than
 * the truth, which costs duplicates, and never newer.
 *
 *   slot (32 bytes, little-endian) = "TSC1", u32 segment, u32 offset, u32 record count, u64 turn, u32 zero, u32 CRC-32 of bytes 0..28
 */
export class SpoolCursor {
  readonly #path: string
  readonly #file: DiskFile
  #turn: bigint
  #position: SpoolPosition | undefined

  private constructor(path: string, file: DiskFile, turn: bigint, position: SpoolPosition | undefined) {
    this.#path = path
    this.#file = file
    this.#turn = turn
    this.#position = position
  }

  static async open(disk: Disk, dir: string): Promise<SpoolCursor> {
    const path = join(dir, 'cursor')
    try {
      const isThere = disk.list(dir).includes('cursor')
      const file = disk.open(path, isThere ? 'write' : 'create')
      const bytes = Buffer.alloc(2 * slotBytes)
      await file.read(bytes, 0, bytes.length, 0)
      const slots = [decodeSlot(bytes, 0), decodeSlot(bytes, slotBytes)].filter((slot) => slot !== undefined)
      const latest = slots.sort((one, other) => Number(other.turn - one.turn))[0]
      return new SpoolCursor(path, file, latest?.turn ?? 0n, latest?.position)
    } catch (cause) {
      throw storageError('open', path, cause)
    }
  }

  /** What was written last; undefined when nothing ever was. */
  get position(): SpoolPosition | undefined {
    return this.#position
  }

  write(position: SpoolPosition): void {
    const turn = this.#turn + 1n
    try {
      const slot = encodeSlot(position, turn)
      this.#file.write(slot, 0, slotBytes, Number(turn % 2n) * slotBytes)
    } catch (cause) {
      throw storageError('write', this.#path, cause)
    }
    this.#turn = turn
    this.#position = position
  }

  async sync(): Promise<void> {
    try {
      await this.#file.sync()
    } catch (cause) {
      throw storageError('sync', this.#path, cause)
    }
  }

  close(): void {
    this.#file.close()
  }
}

function encodeSlot({ segment, offset, recordCount }: SpoolPosition, turn: bigint): Buffer {
  const slot = Buffer.alloc(slotBytes)
  magic.copy(slot)
  slot.writeUInt32LE(segment, 4)
  slot.writeUInt32LE(offset, 8)
  slot.writeUInt32LE(recordCount, 12)
  slot.writeBigUInt64LE(turn, 16)
  slot.writeUInt32LE(crc32(slot.subarray(0, 28)), 28)
  return slot
}

function decodeSlot(bytes: Buffer, at: number): { position: SpoolPosition; turn: bigint } | undefined {
  const slot = bytes.subarray(at, at + slotBytes)
  if (magic.compare(slot, 0, 4) !== 0 || slot.readUInt32LE(28) !== crc32(slot.subarray(0, 28))) return undefined
  const position = {
    segment: slot.readUInt32LE(4),
    offset: slot.readUInt32LE(8),
    recordCount: slot.readUInt32LE(12),
  }
  return { position, turn: slot.readBigUInt64LE(16) }
}

const magic = Buffer.from('TSC1', 'latin1')
const slotBytes = 32
