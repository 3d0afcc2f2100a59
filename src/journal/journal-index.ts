/** What the owner of a journal remembers of its frames. The journal keeps it in the footers, so that a start need not read all. */
export interface JournalIndex {
  /** A frame stands for good: just acknowledged, or found at open. Called in the order of the frames. */
  added(place: Place, head: Buffer): void
  /** What to write into the footer of a segment, all of whose frames were `added` (or `loaded`). */
  footer(segment: number): Uint8Array
  /** At open: the footer of a sealed segment. Answers false when it makes no sense, and then its frames are `added` instead. */
  loaded(segment: number, footer: Buffer): boolean
  /** The segment was trimmed. */
  removed(segment: number): void
}

/** Where a frame stands. */
export interface Place {
  segment: number
  offset: number
}
