import { isMapHead, maxDepth } from './msgpack-reader.ts'
import { ValueScan } from './value-scan.ts'

const scan = new ValueScan()

/** Whether the bytes are exactly one msgpack map that our decoder reads, and every reader of archives. */
export function isOneMap(bytes: Uint8Array): boolean {
  if (bytes.length === 0 || !isMapHead(bytes[0] as number)) return false
  scan.begin(0)
  try {
    if (scan.scan(bytes, bytes.length) !== bytes.length) return false
  } catch {
    return false
  }
  // Each level takes a byte at least.
  return bytes.length <= maxDepth || nestingOf(bytes) <= maxDepth
}

/** How many containers lie in one another at the most, in bytes that are one value. */
function nestingOf(bytes: Uint8Array): number {
  const ends = new ValueScan()
  /** Values that are still to come of each container that is open. */
  const left: number[] = []
  let deepest = 0
  for (let at = 0; at < bytes.length; ) {
    while (left.length > 0 && left.at(-1) === 0) left.pop()
    if (left.length > 0) left[left.length - 1] = (left.at(-1) as number) - 1
    const head = bytes[at] as number
    const inside = containerCount(bytes, at)
    if (inside === undefined) {
      ends.begin(at)
      at = ends.scan(bytes, bytes.length)
      continue
    }
    left.push(inside)
    deepest = Math.max(deepest, left.length)
    if (deepest > maxDepth) break
    at += head < 0xa0 ? 1 : (head & 1) === 0 ? 3 : 5
  }
  return deepest
}

/** How many values lie in the container that begins here; undefined when it is another value. */
function containerCount(bytes: Uint8Array, at: number): number | undefined {
  const head = bytes[at] as number
  if (head >= 0x80 && head < 0x90) return 2 * (head & 0x0f)
  if (head >= 0x90 && head < 0xa0) return head & 0x0f
  if (head < 0xdc || head > 0xdf) return undefined
  let count = 0
  for (let i = 1; i <= ((head & 1) === 0 ? 2 : 4); i++) count = count * 256 + (bytes[at + i] as number)
  return head >= 0xde ? 2 * count : count
}
