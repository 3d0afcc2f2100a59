import type { Place } from './journal-index.ts'
import type { SegmentCursor } from './segment-cursor.ts'

/** A frame as `Journal.read` hands it out. */
export interface JournalFrame {
  place: Place
  /** Where reading goes on behind this frame. */
  next: Place
  head: Buffer
  parts: Buffer[]
}

/** The whole frames that a cursor meets in its segment. One with a damaged part is left out; the cursor tells of it. */
export async function* readFrames(cursor: SegmentCursor, segment: number): AsyncGenerator<JournalFrame> {
  try {
    for (;;) {
      if (!cursor.next()) {
        if (await cursor.load()) continue
        return
      }
      const parts = await cursor.parts()
      if (parts === undefined) continue
      const place = { segment, offset: cursor.offset }
      yield { place, next: { segment, offset: cursor.nextOffset }, head: cursor.head, parts }
    }
  } finally {
    cursor.close()
  }
}
