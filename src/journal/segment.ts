import { report } from '../diagnostics.ts'
import type { RecentBytes, Slab } from './recent-bytes.ts'

/** What a reader has to know about one file of a journal. */
export class Segment {
  readonly number: number
  readonly path: string
  readonly nonce: number
  /** Where the frames that may be read end: in the newest segment it moves. */
  endOffset: number
  /** All bytes of the file, footer included. */
  fileBytes: number
  /** The file was deleted; readers that have it open may go on. */
  isRemoved = false
  readonly slabs: Slab[] = []
  /** Damaged stretches that were met, by the offset where they begin: how many bytes they are. */
  readonly gaps = new Map<number, number>()

  constructor(number: number, path: string, nonce: number, endOffset: number, fileBytes: number) {
    this.number = number
    this.path = path
    this.nonce = nonce
    this.endOffset = endOffset
    this.fileBytes = fileBytes
  }

  /** Tells of a damaged stretch, once, and remembers it so that the next reader steps over it. */
  skip(offset: number, bytes: number): void {
    if (this.gaps.has(offset)) return
    this.gaps.set(offset, bytes)
    report({ type: 'journal-damaged', file: this.path, offset, bytes, outcome: 'skipped' })
  }

  forgetRecent(recent: RecentBytes): void {
    for (const slab of [...this.slabs]) recent.forget(slab)
  }
}
