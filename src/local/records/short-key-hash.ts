/**
 * The top 48 bits of the MD5 of a key that stands in a buffer. For the short keys that most records have this takes
 * half of `crypto.hash`'s time, which would want a string and give back one (RFC 1321 is the algorithm).
 */
export function shortKeyHashTop(bytes: Uint8Array, start: number, length: number): number {
  block.fill(0)
  for (let at = 0; at < length; at++)
    block[at >> 2] = (block[at >> 2] as number) | ((bytes[start + at] as number) << ((at & 3) << 3))
  block[length >> 2] = (block[length >> 2] as number) | (0x80 << ((length & 3) << 3))
  block[14] = length << 3
  let a = 0x67452301
  let b = 0xefcdab89 | 0
  let c = 0x98badcfe | 0
  let d = 0x10325476
  for (let step = 0; step < 64; step++) {
    const round = step >> 4
    let mix: number
    let word: number
    if (round === 0) {
      mix = (b & c) | (~b & d)
      word = step
    } else if (round === 1) {
      mix = (d & b) | (~d & c)
      word = (5 * step + 1) & 15
    } else if (round === 2) {
      mix = b ^ c ^ d
      word = (3 * step + 5) & 15
    } else {
      mix = c ^ (b | ~d)
      word = (7 * step) & 15
    }
    mix = (mix + a + (constants[step] as number) + (block[word] as number)) | 0
    a = d
    d = c
    c = b
    const turn = turns[(round << 2) | (step & 3)] as number
    b = (b + ((mix << turn) | (mix >>> (32 - turn)))) | 0
  }
  // The digest begins with the bytes of `a` and `b`, lowest first.
  return swapped(a + 0x67452301) * 0x1_0000 + (swapped(b + 0xefcdab89) >>> 16)
}

/** A key of more bytes needs a second block. */
export const longestShortKeyBytes = 55

const block = new Int32Array(16)
const constants = Int32Array.from({ length: 64 }, (_, step) => Math.floor(Math.abs(Math.sin(step + 1)) * 2 ** 32) | 0)
const turns = Uint8Array.of(7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21)

function swapped(word: number): number {
  return (((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | ((word >>> 24) & 0xff)) >>> 0
}
