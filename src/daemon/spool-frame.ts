import { assert, FormatError } from '../errors.ts'
import type { PutEntry } from '../kinesis/kinesis-api.ts'

/*
 * Records that came in one turn of the event loop stand in one frame of the stream's journal. Its parts are their bodies;
 * its head tells the rest. Numbers are little-endian.
 *
 *   1  version, 1
 *   8  when they came, epoch milliseconds, float64
 *   4  how many they are
 *   .  for each: u16 bytes of partition key, then the key in UTF-8
 */
export interface SpoolFrame {
  receivedAtMs: number
  entries: PutEntry[]
}

export function encodeSpoolHead({ receivedAtMs, entries }: SpoolFrame): Buffer {
  let length = fixedBytes
  for (const { partitionKey } of entries) length += 2 + Buffer.byteLength(partitionKey)
  const head = Buffer.allocUnsafe(length)
  head[0] = version
  head.writeDoubleLE(receivedAtMs, 1)
  head.writeUInt32LE(entries.length, 9)
  let at = fixedBytes
  for (const { partitionKey } of entries) {
    const keyBytes = head.write(partitionKey, at + 2)
    assert(keyBytes < 0x1_0000, 'a key of 256 characters has at most 1,024 bytes')
    head.writeUInt16LE(keyBytes, at)
    at += 2 + keyBytes
  }
  return head
}

/** Copies what it answers, and leaves out the records whose part is missing. Throws a FormatError when the head is of a version that this program does not know. */
export function decodeSpoolFrame(head: Buffer, parts: readonly (Buffer | undefined)[]): SpoolFrame {
  const { recordCount, receivedAtMs } = peekSpoolHead(head)
  assert(recordCount === parts.length, 'a frame that the journal has proved is as it was written')
  const bodies = Buffer.concat(parts.filter((part) => part !== undefined))
  const entries: PutEntry[] = []
  let at = fixedBytes
  let start = 0
  for (const part of parts) {
    const keyBytes = head.readUInt16LE(at)
    const keyStart = at + 2
    at = keyStart + keyBytes
    if (part === undefined) continue
    entries.push({
      data: bodies.subarray(start, start + part.length),
      partitionKey: head.toString('utf8', keyStart, at),
    })
    start += part.length
  }
  return { receivedAtMs, entries }
}

/** What can be told without the keys. */
export function peekSpoolHead(head: Buffer): { recordCount: number; receivedAtMs: number } {
  if (head[0] !== version)
    throw new FormatError(`a spool of version ${head[0]}, where this program knows ${version}: was it downgraded?`, 0)
  return { receivedAtMs: head.readDoubleLE(1), recordCount: head.readUInt32LE(9) }
}

const version = 1
const fixedBytes = 13
