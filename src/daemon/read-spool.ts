import type { Journal } from '../journal/journal.ts'
import type { Place } from '../journal/journal-index.ts'
import type { SegmentCursor } from '../journal/segment-cursor.ts'
import { headerBytes } from '../journal/segment-format.ts'
import { decodeSpoolFrame, peekSpoolHead, type SpoolFrame } from './spool-frame.ts'

/** A frame of a stream's journal, as far as it can be read. It is a copy. */
export interface ReadSpoolFrame extends SpoolFrame {
  place: Place
  /** Where reading goes on behind it. */
  next: Place
  /** Records whose bytes are not as they were written. */
  damagedCount: number
}

/**
 * The frames from `from` on, up to what stands for good now. Of a damaged frame the good records are handed out: a record
 * has a checksum of its own.
 */
export async function* readSpool(journal: Journal, from: Place): AsyncGenerator<ReadSpoolFrame> {
  let { segment: number, offset } = from
  for (;;) {
    const segment = journal.segments.find((candidate) => candidate.number >= number)
    if (segment === undefined) return
    if (segment.number > number) offset = headerBytes
    number = segment.number
    const cursor = journal.cursor(number, offset)
    if (cursor !== undefined) yield* readSegment(cursor, number)
    if (segment === journal.segments.at(-1)) return
    number += 1
    offset = headerBytes
  }
}

async function* readSegment(cursor: SegmentCursor, segment: number): AsyncGenerator<ReadSpoolFrame> {
  try {
    for (;;) {
      if (!cursor.next()) {
        if (await cursor.load()) continue
        return
      }
      const parts = (await cursor.parts()) ?? (await goodParts(cursor))
      if (parts === undefined) continue
      const { head } = cursor
      const place = { segment, offset: cursor.offset }
      const next = { segment, offset: cursor.nextOffset }
      const damagedCount = parts.filter((part) => part === undefined).length
      yield { ...decodeSpoolFrame(head, parts), place, next, damagedCount }
    }
  } finally {
    cursor.close()
  }
}

/** Of a frame with a damaged part, the parts that are as they were written. */
async function goodParts(cursor: SegmentCursor): Promise<(Buffer | undefined)[] | undefined> {
  if (!(await cursor.loadFrame())) return undefined
  const { recordCount } = peekSpoolHead(cursor.head)
  return Array.from({ length: recordCount }, (_, index) => cursor.heldPart(index))
}
