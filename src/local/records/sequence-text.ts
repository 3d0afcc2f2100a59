import { seqIxStep, sequenceNumberValue } from '../../kinesis/sequence-number.ts'

/** Every version 2 sequence number has this many decimal digits. */
export const sequenceNumberDigits = 56

/**
 * The decimal text of sequence numbers that follow one another: counting up in ASCII digits costs a fifth of a BigInt
 * addition and its toString.
 */
export class SequenceText {
  /** ASCII digits of the present number. */
  readonly digits: Buffer

  /** `digits` is where they are to stand. */
  constructor(
    createTimeSeconds: number,
    shardIndex: number,
    seqIx: number,
    seqTimeSeconds: number,
    digits: Buffer = Buffer.alloc(sequenceNumberDigits),
  ) {
    this.digits = digits
    const parts = { createTimeSeconds, shardIndex, seqIx: BigInt(seqIx), seqTimeSeconds }
    this.digits.write(sequenceNumberValue(parts).toString(), 'latin1')
  }

  /** To the number of the shard's next record in the same second. */
  advance(): void {
    const { digits } = this
    let carry = 0
    let at = sequenceNumberDigits - 1
    for (let step = stepDigits.length - 1; step >= 0; step--, at--) {
      let sum = (digits[at] as number) + (stepDigits[step] as number) + carry
      carry = 0
      if (sum > 57) {
        sum -= 10
        carry = 1
      }
      digits[at] = sum
    }
    while (carry === 1) {
      if (digits[at] === 57) digits[at--] = 48
      else {
        digits[at] = (digits[at] as number) + 1
        carry = 0
      }
    }
  }

  toString(): string {
    return this.digits.toString('latin1')
  }
}

const stepDigits = Uint8Array.from(seqIxStep.toString(), Number)
