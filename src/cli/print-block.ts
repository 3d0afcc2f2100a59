import { bytesOfRawRecord } from '../archive/raw-record.ts'
import { FormatError } from '../errors.ts'
import { losslessJsonOf } from '../record/lossless-json.ts'
import { plainJsonOf } from '../record/plain-json.ts'
import { type RecordFormat, recordCodec } from '../record/record-codec.ts'
import type { RecordBlock } from '../record/tri-records.ts'

/**
 * The records of a block as lines, of those that are chosen where not all are, and the failure at the first that can't be
 * printed: what stands before it is printed.
 */
export function linesOf(
  { bytes, start, ends, recordNumber, offset }: RecordBlock,
  file: string,
  toLine: (record: Buffer) => string,
  chosen?: readonly boolean[],
): { text: string; count: number; failure?: FormatError } {
  let text = ''
  let begin = start
  let count = 0
  for (let i = 0; i < ends.length; i++) {
    const end = ends[i] as number
    if (chosen === undefined || chosen[i]) {
      try {
        text += toLine(bytes.subarray(begin, end))
        text += '\n'
        count += 1
      } catch (cause) {
        if (!(cause instanceof FormatError)) throw cause
        const message = `${file}: record ${recordNumber + i} can't be printed: ${cause.message}`
        return { text, count, failure: new FormatError(message, offset, { cause }) }
      }
    }
    begin = end
  }
  return { text, count }
}

/** A record as archives of such streams hold it, as a line without its newline. */
export function lineOf(format: RecordFormat, form: 'json' | 'lossless'): (record: Buffer) => string {
  if (format === 'msgpack') return form === 'json' ? plainJsonOf : losslessJsonOf
  const codec = recordCodec(format)
  return form === 'json'
    ? (record) => codec.toPlainJson(bytesOfRawRecord(record))
    : (record) => codec.toLosslessJson(bytesOfRawRecord(record))
}
