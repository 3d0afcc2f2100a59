import type { VarintColumn, VarintCursor } from './varint-column.ts'

/**
 * Sequence numbers of one shard, one after the other, as steps. What rises from record to record is a counter above bit
 * 80 and, below it, the second at bit 36 (kinesis/sequence-number.ts):
 *
 *     2 n         n more in the counter, the second as before
 *     2 n + 1, s  n more in the counter, s > 0 seconds later
 *     1, 0, text  anything else: the number itself
 *
 * A step of the counter alone is told from the decimal digits, in four limbs of fourteen: a bigint of this size costs
 * more than all else that is done for a record.
 */
export class SequenceTrail {
  #text: string
  /** Of the number before, highest first. */
  readonly #limbs = new Float64Array(4)
  #hasLimbs: boolean

  constructor(first: string) {
    this.#text = first
    this.#hasLimbs = first.length === digitCount
    if (this.#hasLimbs) for (let i = 0; i < 4; i++) this.#limbs[i] = limbAt(first, 14 * i)
  }

  step(text: string, column: VarintColumn): void {
    const count = this.#smallStep(text)
    if (count > 0) column.push(2 * count)
    else pushStep(this.#text, text, column)
    this.#text = text
  }

  /** How often 2^80 lies between the two; 0 when the difference is something else, or too large. */
  #smallStep(text: string): number {
    const limbs = this.#limbs
    const hadLimbs = this.#hasLimbs
    this.#hasLimbs = text.length === digitCount
    if (!this.#hasLimbs) return 0
    const top = limbAt(text, 0)
    const high = limbAt(text, 14)
    const middle = limbAt(text, 28)
    const low = limbAt(text, 42)
    const isNear = hadLimbs && limbs[0] === top
    const count = isNear
      ? countOf(high - (limbs[1] as number), middle - (limbs[2] as number), low - (limbs[3] as number))
      : 0
    limbs[0] = top
    limbs[1] = high
    limbs[2] = middle
    limbs[3] = low
    return count
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

const limb = 1e14
/** That all numbers since 2014 have. */
const digitCount = 56

/** Fourteen digits. */
function limbAt(text: string, from: number): number {
  return sevenAt(text, from) * 1e7 + sevenAt(text, from + 7)
}

/** Seven digits: a sum whose parts don't wait for one another, which takes two thirds of a loop's time. */
function sevenAt(text: string, at: number): number {
  return (
    (Math.imul(text.charCodeAt(at), 1_000_000) +
      Math.imul(text.charCodeAt(at + 1), 100_000) +
      Math.imul(text.charCodeAt(at + 2), 10_000) +
      Math.imul(text.charCodeAt(at + 3), 1_000) +
      Math.imul(text.charCodeAt(at + 4), 100) +
      Math.imul(text.charCodeAt(at + 5), 10) +
      text.charCodeAt(at + 6) -
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
function countOf(high: number, middle: number, low: number): number {
  let [ownHigh, ownMiddle, ownLow] = [high, middle, low]
  if (ownLow < 0) {
    ownLow += limb
    ownMiddle -= 1
  }
  if (ownMiddle < 0) {
    ownMiddle += limb
    ownHigh -= 1
  }
  if (ownHigh !== 0) return 0
  const count = Math.round(ownMiddle / stepHigh)
  if (count <= 0 || count > largestSmallStep) return 0
  const product = count * stepLow
  const carry = Math.floor(product / limb)
  return product - carry * limb === ownLow && count * stepHigh + carry === ownMiddle ? count : 0
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
