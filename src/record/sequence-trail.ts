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
  #limbs: Limbs | undefined

  constructor(first: string) {
    this.#text = first
    this.#limbs = limbsOf(first)
  }

  step(text: string, column: VarintColumn): void {
    const limbs = limbsOf(text)
    const count = limbs === undefined || this.#limbs === undefined ? 0 : smallStep(this.#limbs, limbs)
    if (count > 0) column.push(2 * count)
    else pushStep(this.#text, text, column)
    this.#text = text
    this.#limbs = limbs
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

interface Limbs {
  a: number
  b: number
  c: number
  d: number
}

const limb = 1e14
const digitCount = 56

/** Highest first; undefined for what has not the length that all numbers since 2014 have. */
function limbsOf(text: string): Limbs | undefined {
  if (text.length !== digitCount) return undefined
  return { a: digits(text, 0), b: digits(text, 14), c: digits(text, 28), d: digits(text, 42) }
}

function digits(text: string, from: number): number {
  let high = 0
  let low = 0
  for (let i = from; i < from + 7; i++) high = high * 10 + text.charCodeAt(i) - 48
  for (let i = from + 7; i < from + 14; i++) low = low * 10 + text.charCodeAt(i) - 48
  return high * 1e7 + low
}

/** 2^80 in such limbs. */
const stepHigh = 12_089_258_196
const stepLow = 14_629_174_706_176
/** Beyond, the product of a limb is no safe integer. */
const largestSmallStep = 614

/** How often 2^80 lies between the two; 0 when the difference is something else, or too large. */
function smallStep(from: Limbs, to: Limbs): number {
  if (from.a !== to.a) return 0
  let low = to.d - from.d
  let middle = to.c - from.c
  let high = to.b - from.b
  if (low < 0) {
    low += limb
    middle -= 1
  }
  if (middle < 0) {
    middle += limb
    high -= 1
  }
  if (high !== 0) return 0
  const count = Math.round(middle / stepHigh)
  if (count <= 0 || count > largestSmallStep) return 0
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
