import { bytesOfRawRecord } from '../archive/raw-record.ts'
import { FormatError } from '../errors.ts'
import { JsonLines } from '../record/json-lines.ts'
import { losslessJsonOf } from '../record/lossless-json.ts'
import { type RecordFormat, recordCodec } from '../record/record-codec.ts'
import type { RecordBlock } from '../record/tri-records.ts'

/** Turns blocks of records of one format into lines. */
export class BlockPrinter {
  readonly #lines = new JsonLines()
  /** Absent where records go from bytes to bytes. */
  readonly #lineOf: ((record: Buffer) => string) | undefined

  constructor(format: RecordFormat, form: 'json' | 'lossless') {
    const codec = recordCodec(format)
    if (format !== 'msgpack') {
      this.#lineOf =
        form === 'json'
          ? (record) => codec.toPlainJson(bytesOfRawRecord(record))
          : (record) => codec.toLosslessJson(bytesOfRawRecord(record))
    } else if (form === 'lossless') this.#lineOf = losslessJsonOf
  }

  /**
   * The lines, of the records that are chosen where not all are, and the failure at the first that can't be printed: what
   * stands before it is there. With `onLost` such a record is told to it, and the others follow.
   */
  print(
    { bytes, start, ends, recordNumber, offset }: RecordBlock,
    file: string,
    chosen?: readonly boolean[],
    onLost?: (failure: FormatError) => void,
  ): { text: Buffer; count: number; failure?: FormatError } {
    const lines = this.#lines
    lines.begin(bytes)
    let begin = start
    let count = 0
    for (let i = 0; i < ends.length; i++) {
      const end = ends[i] as number
      if (chosen === undefined || chosen[i]) {
        try {
          if (this.#lineOf === undefined) lines.add(begin, end)
          else lines.addText(this.#lineOf(bytes.subarray(begin, end)))
          count += 1
        } catch (cause) {
          if (!(cause instanceof FormatError)) throw cause
          const message = `${file}: record ${recordNumber + i} can't be printed: ${cause.message}`
          const failure = new FormatError(message, offset, { cause })
          if (onLost === undefined) return { text: lines.take(), count, failure }
          onLost(failure)
        }
      }
      begin = end
    }
    return { text: lines.take(), count }
  }
}
