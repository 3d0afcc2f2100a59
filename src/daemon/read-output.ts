import { FormatError } from '../errors.ts'
import { ValueScan } from '../record/value-scan.ts'

/** A record that a daemon wrote out instead of sending it to Kinesis. */
export interface OutputRecord {
  stream: string
  /** A copy. */
  body: Buffer
  /** Where the body begins in the file. */
  offset: number
}

/**
 * The records of a file that `tritond --skip-kinesis` wrote, ours or py-triton's: at each flush, for each stream that had
 * any, its name as a msgpack raw, then the bodies, back to back. Nothing tells a body that is a raw itself from a name,
 * so it is taken for one; records are maps. What can't be read is a FormatError with its place, after all before it was
 * handed out.
 */
export async function* readOutput(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<OutputRecord> {
  const scan = new ValueScan()
  scan.begin(0)
  let stream: string | undefined
  let rest: Buffer = Buffer.alloc(0)
  /** Where `rest` begins in the file. */
  let offset = 0
  for await (const piece of pieces) {
    const bytes = rest.length === 0 ? Buffer.from(piece) : Buffer.concat([rest, piece])
    let begin = 0
    for (let end = scanned(scan, bytes, offset); end >= 0; end = scanned(scan, bytes, offset)) {
      const value = bytes.subarray(begin, end)
      const name = nameIn(value)
      if (name !== undefined) stream = name
      else if (stream === undefined) throw new FormatError('the file does not begin with the name of a stream', 0)
      else yield { stream, body: Buffer.from(value), offset: offset + begin }
      begin = end
      scan.begin(end)
    }
    rest = bytes.subarray(begin)
    scan.move(begin)
    offset += begin
    if (rest.length > maxValueBytes)
      throw new FormatError(`a value of more than ${maxValueBytes} bytes begins at byte ${offset}`, offset)
  }
  if (rest.length > 0) throw new FormatError(`the file ends inside the value at byte ${offset}`, offset)
}

function scanned(scan: ValueScan, bytes: Buffer, offset: number): number {
  try {
    return scan.scan(bytes, bytes.length)
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    const at = offset + error.offset
    throw new FormatError(`${error.message}, at byte ${at}`, at, { cause: error })
  }
}

/** The text of a value of msgpack's old raw family, in which names are written. */
function nameIn(value: Buffer): string | undefined {
  const head = value[0] as number
  if (head >= 0xa0 && head < 0xc0) return value.toString('utf8', 1)
  if (head === 0xda) return value.toString('utf8', 3)
  return head === 0xdb ? value.toString('utf8', 5) : undefined
}

/** No record is larger than 10 MiB. */
const maxValueBytes = 16 * 1024 * 1024
