import { createReadStream } from 'node:fs'
import type { ArchiveKey } from '../archive/archive-key.ts'
import { bytesOfRawRecord } from '../archive/raw-record.ts'
import { findArchives, readArchives, readReported } from '../archive/read-archives.ts'
import { FormatError, StorageError } from '../errors.ts'
import { losslessJsonOf } from '../record/lossless-json.ts'
import { plainJsonOf } from '../record/plain-json.ts'
import { type RecordFormat, recordCodec } from '../record/record-codec.ts'
import type { RecordBlock } from '../record/tri-records.ts'
import type { CatFlags } from './commands/cat.ts'
import { FailedError, UsageError } from './exit-code.ts'
import { placeOf } from './flags.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { type Output, standardOutput } from './output.ts'
import { Progress } from './progress.ts'
import { preferSmallHeap } from './small-heap.ts'
import { requiredStoreFrom } from './store-place.ts'
import { tell } from './tell.ts'

/** Prints the records of a store, of files or of stdin. */
export async function catArchives(files: readonly string[], flags: CatFlags): Promise<void> {
  preferSmallHeap()
  if (flags.stream !== undefined && files.length > 0)
    throw new UsageError('files and --stream both say what to print: choose one')
  const stopLog = logDiagnostics(flags.verbose)
  const output = standardOutput()
  // On one terminal the two would write over one another.
  const progress = process.stdout.isTTY ? undefined : new Progress('printed')
  let damageCount = 0
  const blocks = flags.stream === undefined ? blocksOfFiles() : blocksOfStore(flags.stream)
  try {
    for await (const { block, file, toLine } of blocks) await printBlock(output, block, file, toLine, progress)
    await output.settle()
  } finally {
    progress?.stop()
    stopLog()
  }
  if (damageCount > 0) {
    tell(`triton: ${damageCount} damaged places were passed over`)
    throw new FailedError()
  }

  async function* blocksOfFiles(): AsyncGenerator<PrintableBlock> {
    const toLine = lineOf('msgpack', flags.format)
    for (const file of files.length > 0 ? files : [undefined]) {
      if (file === undefined && process.stdin.isTTY)
        throw new UsageError('say what to print: --stream with --start-date, a file, or a .tri on stdin')
      const pieces = file === undefined ? process.stdin : createReadStream(file, { highWaterMark: 256 * 1024 })
      try {
        for await (const part of readReported(pieces, file ?? 'stdin', flags.salvage ?? false)) {
          if (part.type === 'damage') damageCount += 1
          if (part.type === 'records') yield { block: part, file: file ?? 'stdin', toLine }
        }
      } catch (cause) {
        if (!(cause instanceof Error && 'syscall' in cause)) throw cause
        throw new StorageError(`can't read ${file ?? 'stdin'}: ${cause.message}`, { cause })
      }
    }
  }

  async function* blocksOfStore(stream: string): AsyncGenerator<PrintableBlock> {
    const { startDate, endDate, clientName = process.env['TRITON_CLIENT'] || undefined } = flags
    if (startDate === undefined) throw new UsageError('--stream needs the day: --start-date YYYYMMDD')
    const definition = placeOf(stream, { verbose: 0, ...(flags.config !== undefined && { config: flags.config }) })
    const toLine = lineOf('format' in definition ? (definition.format as RecordFormat) : 'msgpack', flags.format)
    await using store = requiredStoreFrom(flags)
    const archives = await findArchives(store, definition.name, startDate, endDate, {
      ...(clientName !== undefined && { client: clientName }),
    })
    const reading = readArchives(store, archives, {
      salvage: flags.salvage ?? false,
      onDamage: () => {
        damageCount += 1
      },
    })
    for await (const some of reading) for (const block of some) yield { block, file: block.archive.key, toLine }
  }
}

interface PrintableBlock {
  block: RecordBlock & { archive?: ArchiveKey }
  file: string
  toLine: (record: Buffer) => string
}

/** A record that can't be printed ends it, after those before it. */
async function printBlock(
  output: Output,
  { bytes, start, ends, recordNumber, offset }: RecordBlock,
  file: string,
  toLine: (record: Buffer) => string,
  progress: Progress | undefined,
): Promise<void> {
  let text = ''
  let begin = start
  let count = 0
  let failure: unknown
  for (const end of ends) {
    try {
      text += toLine(bytes.subarray(begin, end))
    } catch (error) {
      failure = error
      break
    }
    text += '\n'
    begin = end
    count += 1
  }
  progress?.add(count, begin - start)
  await output.write(text)
  if (failure === undefined) return
  await output.settle()
  if (!(failure instanceof FormatError)) throw failure
  throw new FormatError(`${file}: record ${recordNumber + count} can't be printed: ${failure.message}`, offset, {
    cause: failure,
  })
}

function lineOf(format: RecordFormat, form: 'json' | 'lossless'): (record: Buffer) => string {
  if (format === 'msgpack') return form === 'json' ? plainJsonOf : losslessJsonOf
  const codec = recordCodec(format)
  return form === 'json'
    ? (record) => codec.toPlainJson(bytesOfRawRecord(record))
    : (record) => codec.toLosslessJson(bytesOfRawRecord(record))
}
