/** One line of an input, its newline included unless the input ended without one. */
export interface Line {
  /** Counted from 1. */
  number: number
  /** A view into the piece that was read; undefined when the line is longer than the limit and was passed over. */
  bytes: Buffer | undefined
}

/**
 * The lines of a byte stream, in the groups that arrive together, so that one line alone is not kept waiting and many
 * are handled at once. Only `\n` ends a line. Reads no more than it is asked for.
 */
export async function* readLines(
  input: AsyncIterable<Buffer | string>,
  maxLineBytes = 64 * 1024 * 1024,
): AsyncGenerator<Line[]> {
  let number = 0
  let begun: Buffer[] = []
  let begunBytes = 0
  const take = (rest: Buffer): Line => {
    const isTooLong = begunBytes + rest.length > maxLineBytes
    const bytes = begunBytes === 0 ? rest : Buffer.concat([...begun, rest])
    begun = []
    begunBytes = 0
    number++
    return { number, bytes: isTooLong ? undefined : bytes }
  }
  for await (const piece of input) {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
    const lines: Line[] = []
    let start = 0
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      lines.push(take(bytes.subarray(start, end + 1)))
      start = end + 1
    }
    const rest = bytes.subarray(start)
    begunBytes += rest.length
    // Of a line that is too long already only the length matters.
    if (begunBytes > maxLineBytes) begun = []
    else if (rest.length > 0) begun.push(rest)
    if (lines.length > 0) yield lines
  }
  if (begunBytes > 0) yield [take(Buffer.alloc(0))]
}
