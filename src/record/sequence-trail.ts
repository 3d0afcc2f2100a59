import type { VarintColumn, VarintCursor } from './varint-column.ts'

/**
 * Sequence numbers of one shard, one after the other, as steps. What rises from record to record is a counter above bit
 * 80 and, below it, the second at bit 36 (kinesis/sequence-number.ts):
 *
 *     2 n         n more in the counter, the second as before
 *     2 n + 1, s  n more in the counter, s > 0 seconds later
 *     1, 0, text  anything else: the number itself
 *
 * A step of the counter alone is told from the lower half of the decimal digits, in two limbs of fourteen: a bigint of
 * this size costs more than all else that is done for a record.
 */
export class SequenceTrail {
  #text: string
  /** The upper half of the digits. */
  #upper: string
  #middle: number
  #low: number

  constructor(first: string) {
    this.#text = first
    this.#upper = first.slice(0, half)
    this.#middle = digits(first, half)
    this.#low = digits(first, half + limbDigits)
  }

  step(text: string, column: VarintColumn): void {
    const middle = digits(text, half)
    const low = digits(text, half + limbDigits)
    const isNear = text.length === digitCount && this.#text.length === digitCount && text.startsWith(this.#upper)
    const count = isNear ? smallStep(middle - this.#middle, low - this.#low) : 0
    if (count > 0) column.push(2 * count)
    else {
      pushStep(this.#text, text, column)
      this.#upper = text.slice(0, half)
    }
    this.#text = text
    this.#middle = middle
    this.#low = low
  }
}

/** The number that follows `before`, by the next step of the column. */
export function nextSequenceNumber(before: string, column: VarintCursor): string {
  const step = column.next()
  if (Number.isNaN(step)) return before
  if (step % 2 === 0) return (BigInt(before) + (BigInt(step / 2) << 80n)).toString()
  const seconds = column.next()
  if (seconds === 0) return column.nextText()
  if (Number.isNaN(seconds)) return before
  return (BigInt(before) + (BigInt((step - 1) / 2) << 80n) + (BigInt(seconds) << 36n)).toString()
}

/** Of all numbers since 2014. */
const digitCount = 56
const half = 28
const limbDigits = 14
const limb = 1e14

/** The limb that begins there; of text that is shorter, no number. */
function digits(text: string, from: number): number {
  let high = 0
  let low = 0
  for (let i = from; i < from + 7; i++) high = high * 10 + text.charCodeAt(i) - 48
  for (let i = from + 7; i < from + limbDigits; i++) low = low * 10 + text.charCodeAt(i) - 48
  return high * 1e7 + low
}

/** 2^80 in such limbs. */
const stepHigh = 12_089_258_196
const stepLow = 14_629_174_706_176
/** Beyond, the product of a limb is no safe integer. */
const largestSmallStep = 614

/** How often 2^80 lies in the difference of the limbs; 0 when the difference is something else, or too large. */
function smallStep(middleDifference: number, lowDifference: number): number {
  const borrow = lowDifference < 0 ? 1 : 0
  const low = lowDifference + borrow * limb
  const middle = middleDifference - borrow
  const count = Math.round(middle / stepHigh)
  if (!(count > 0 && count <= largestSmallStep)) return 0
  const product = count * stepLow
  const carry = Math.floor(product / limb)
  return product - carry * limb === low && count * stepHigh + carry === middle ? count : 0
}

function pushStep(from: string, to: string, column: VarintColumn): void {
  if (decimal.test(from) && decimal.test(to)) {
    const difference = BigInt(to) - BigInt(from)
    const count = difference >> 80n
    const below = difference & ((1n << 80n) - 1n)
    const seconds = below >> 36n
    if (count >= 0n && count < 1n << 40n && seconds < 1n << 40n && seconds << 36n === below && difference > 0n) {
      column.push(2 * Number(count) + (seconds === 0n ? 0 : 1))
      if (seconds > 0n) column.push(Number(seconds))
      return
    }
  }
  column.push(1)
  column.push(0)
  column.pushText(to)
}

const decimal = /^(0|[1-9]\d{0,128})$/
