import { seqIxStep, sequenceNumberValue } from '../../kinesis/sequence-number.ts'

/** Every version 2 sequence number has this many decimal digits. */
export const sequenceNumberDigits = 56

/**
 * The decimal text of sequence numbers that follow one another, counted up four digits at a time and written as words of
 * four characters: a tenth of what a BigInt addition and its toString cost.
 */
export class SequenceText {
  /** ASCII digits of the present number. */
  readonly digits: Buffer
  /** The digits by four; made when they are first counted up, which many numbers never are. */
  #groups: Uint16Array | undefined
  #view: DataView | undefined

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
    this.#view ??= new DataView(this.digits.buffer, this.digits.byteOffset, sequenceNumberDigits)
    this.#groups ??= groupsOf(this.digits)
    const view = this.#view
    const groups = this.#groups
    let carry = 0
    for (let at = groupCount - 1; at >= firstOfStep || carry === 1; at--) {
      let sum = (groups[at] as number) + (step[at] as number) + carry
      carry = 0
      if (sum > 9999) {
        sum -= 10_000
        carry = 1
      }
      groups[at] = sum
      view.setUint32(at * 4, textOfGroup[sum] as number)
    }
  }

  toString(): string {
    return this.digits.toString('latin1')
  }
}

function groupsOf(digits: Buffer): Uint16Array {
  const groups = new Uint16Array(groupCount)
  for (let at = 0; at < sequenceNumberDigits; at++) {
    const group = at >> 2
    groups[group] = (groups[group] as number) * 10 + (digits[at] as number) - zero
  }
  return groups
}

/** The digit, in ASCII. */
const zero = 0x30
const groupCount = sequenceNumberDigits / 4
const step = groupsOf(Buffer.from(seqIxStep.toString().padStart(sequenceNumberDigits, '0')))
const firstOfStep = step.findIndex((group) => group > 0)

/** Four digits as the word of their characters. */
const textOfGroup = Uint32Array.from(
  { length: 10_000 },
  (_, group) =>
    0x3030_3030 +
    (Math.floor(group / 1000) << 24) +
    (Math.floor((group / 100) % 10) << 16) +
    (Math.floor((group / 10) % 10) << 8) +
    (group % 10),
)
