import type { VarintColumn, VarintCursor } from './varint-column.ts'

/**
 * Sequence numbers of one shard, one after the other, as steps. What rises from record to record is a counter above bit
 * 80 and, below it, the second at bit 36 (kinesis/sequence-number.ts):
 *
 *     2 n         n more in the counter, the second as before
 *     2 n + 1, s  n more in the counter, s > 0 seconds later
 *     1, 0, text  anything else: the number itself
 *
 * A step of the counter alone is told from the decimal digits: a bigint of this size costs more than all else that is done
 * for a record. Many numbers wait for that together, since one call then brings their digits into memory; to look at the
 * characters of a text one by one costs three times as much.
 */
export class SequenceTrail {
  #before: string
  /** Those whose steps are not in the column yet, one after the other: of 56 digits each, as the one before them. */
  #waiting = ''
  #hasDigits: boolean

  constructor(first: string) {
    this.#before = first
    this.#hasDigits = first.length === digitCount
  }

  /** The column has the step after `settle` at the latest. */
  step(text: string, column: VarintColumn): void {
    if (text.length === digitCount && this.#hasDigits) {
      this.#waiting += text
      if (this.#waiting.length === digitCount * mostWaiting) this.settle(column)
      return
    }
    this.settle(column)
    pushStep(this.#before, text, column)
    this.#before = text
    this.#hasDigits = text.length === digitCount
  }

  settle(column: VarintColumn): void {
    if (this.#waiting.length === 0) return
    const texts = this.#before + this.#waiting
    digits.write(texts, 'latin1')
    let high = limbAt(28)
    let low = limbAt(42)
    for (let at = digitCount; at < texts.length; at += digitCount) {
      const [highBefore, lowBefore] = [high, low]
      high = limbAt(at + 28)
      low = limbAt(at + 42)
      // Carries into the upper half are rare.
      const count = isUpperHalfAsBefore(at) ? countOf(high - highBefore, low - lowBefore) : 0
      if (count > 0) column.push(2 * count)
      else pushStep(texts.slice(at - digitCount, at), texts.slice(at, at + digitCount), column)
    }
    this.#before = texts.slice(-digitCount)
    this.#waiting = ''
  }
}

const mostWaiting = 64
/** That all numbers since 2014 have. */
const digitCount = 56
/** What the steps of those that wait take in the column at the most: the numbers as text, whatever they are. */
export const mostWaitingBytes = mostWaiting * (3 * digitCount + 8)

/** Of the number before and of those that wait, one after the other. */
const digits = Buffer.from(new ArrayBuffer(digitCount * (1 + mostWaiting)))
/** The same, four at a time. */
const fours = new Int32Array(digits.buffer)

function isUpperHalfAsBefore(at: number): boolean {
  const here = at / 4
  for (let i = here; i < here + digitCount / 8; i++) if (fours[i] !== fours[i - digitCount / 4]) return false
  return true
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

const limb = 1e14

/** Fourteen digits. */
function limbAt(at: number): number {
  return sevenAt(at) * 1e7 + sevenAt(at + 7)
}

/** Seven digits: a sum whose parts don't wait for one another, which takes two thirds of a loop's time. */
function sevenAt(at: number): number {
  return (
    (Math.imul(digits[at] as number, 1_000_000) +
      Math.imul(digits[at + 1] as number, 100_000) +
      Math.imul(digits[at + 2] as number, 10_000) +
      Math.imul(digits[at + 3] as number, 1_000) +
      Math.imul(digits[at + 4] as number, 100) +
      Math.imul(digits[at + 5] as number, 10) +
      (digits[at + 6] as number) -
      sevenZeros) |
    0
  )
}

/** What seven times the character 0 would be as a number. */
const sevenZeros = 0x30 * 1_111_111

/** 2^80 in such limbs. */
const stepHigh = 12_089_258_196
const stepLow = 14_629_174_706_176
/** Beyond, the product of a limb is no safe integer. */
const largestSmallStep = 614

/** Of a difference in limbs: how often 2^80 is in it. */
function countOf(high: number, low: number): number {
  const isBorrowed = low < 0
  const ownHigh = isBorrowed ? high - 1 : high
  const ownLow = isBorrowed ? low + limb : low
  const count = Math.round(ownHigh / stepHigh)
  if (count <= 0 || count > largestSmallStep) return 0
  const product = count * stepLow
  const carry = Math.floor(product / limb)
  return product - carry * limb === ownLow && count * stepHigh + carry === ownHigh ? count : 0
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
