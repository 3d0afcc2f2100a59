import type { JournalIndex, Place } from '../journal/journal-index.ts'
import type { SpoolPosition } from './spool-cursor.ts'
import { peekSpoolHead } from './spool-frame.ts'

/** How many records each segment of a stream's journal holds, so that a start need not count them. Footer: u32 count. */
export class SpoolIndex implements JournalIndex {
  readonly #counts = new Map<number, number>()

  /** Records from `position` on. */
  countFrom(position: SpoolPosition): number {
    let count = -position.recordCount
    for (const [segment, recordCount] of this.#counts) if (segment >= position.segment) count += recordCount
    return Math.max(0, count)
  }

  countIn(segment: number): number {
    return this.#counts.get(segment) ?? 0
  }

  added({ segment }: Place, head: Buffer): void {
    this.#counts.set(segment, this.countIn(segment) + peekSpoolHead(head).recordCount)
  }

  footer(segment: number): Uint8Array {
    const footer = Buffer.alloc(4)
    footer.writeUInt32LE(this.countIn(segment))
    return footer
  }

  loaded(segment: number, footer: Buffer): boolean {
    if (footer.length !== 4) return false
    this.#counts.set(segment, footer.readUInt32LE(0))
    return true
  }

  removed(segment: number): void {
    this.#counts.delete(segment)
  }
}
