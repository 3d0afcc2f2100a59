import { FormatError } from '../errors.ts'

/**
 * Finds where msgpack values end, without reading what they say: how records that lie back to back are told apart. A
 * value may come in pieces: `scan` goes on where the bytes ended last time, so that a long one is not looked at again
 * from its beginning.
 *
 * Nesting is counted, not followed: a hundred thousand levels cost nothing here, and the decoder refuses them.
 */
export class ValueScan {
  /** Where the next head is looked for. */
  #at = 0
  /** Values that still belong to the value under way, this one included. */
  #left = 1

  /** Begins anew, at this offset. */
  begin(at: number): void {
    this.#at = at
    this.#left = 1
  }

  /** Bytes before the offset given were dropped: `distance` is subtracted from every offset. */
  move(distance: number): void {
    this.#at -= distance
  }

  /**
   * The offset behind the value, or -1 when `bytes` end before it does. Throws a FormatError at 0xc1, which begins no
   * value.
   */
  scan(bytes: Uint8Array, end: number): number {
    let at = this.#at
    let left = this.#left
    while (left > 0) {
      if (at >= end) break
      const head = bytes[at] as number
      let next = at + 1
      let inside = 0
      if (head < 0x80 || head >= 0xe0) {
        // A small integer is its own head.
      } else if (head >= 0xa0 && head < 0xc0) next += head & 0x1f
      else if (head < 0x90) inside = 2 * (head & 0x0f)
      else if (head < 0xa0) inside = head & 0x0f
      else {
        const width = lengthWidths[head - 0xc0] as number
        if (width < 0) throw new FormatError('byte 0xc1 begins no msgpack value', at)
        if (width > 0) {
          if (at + 1 + width > end) break
          const count = bigEndian(bytes, next, width)
          next += width
          if (head >= 0xde) inside = 2 * count
          else if (head >= 0xdc) inside = count
          else next += count
        }
        next += fixedBytes[head - 0xc0] as number
      }
      // A value that lies in there in part is passed when all of it is there.
      if (next > end) break
      at = next
      left += inside - 1
    }
    this.#at = at
    this.#left = left
    return left === 0 ? at : -1
  }
}

/** Of the heads from 0xc0 on: bytes of the length or count behind the head; -1 for the one that is none. */
const lengthWidths = Int8Array.of(
  ...[0, -1, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0],
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4],
)

/** Of the same heads: bytes that follow in any case, an extension's type among them. */
const fixedBytes = Uint8Array.of(
  ...[0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, 8, 1, 2, 4, 8],
  ...[1, 2, 4, 8, 2, 3, 5, 9, 17, 0, 0, 0, 0, 0, 0, 0],
)

function bigEndian(bytes: Uint8Array, at: number, width: number): number {
  let value = 0
  for (let i = 0; i < width; i++) value = value * 256 + (bytes[at + i] as number)
  return value
}
