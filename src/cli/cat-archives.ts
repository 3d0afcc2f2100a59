import { createReadStream } from 'node:fs'
import type { ArchiveStore } from '../archive/archive-store.ts'
import { readFooter } from '../archive/object-footer.ts'
import { type ChosenArchive, findArchives, readArchives, readReported } from '../archive/read-archives.ts'
import { chooseRecords, type RecordCut } from '../archive/record-cut.ts'
import { archiveDecode } from '../archive/stream-from-store.ts'
import { type FormatError, StorageError } from '../errors.ts'
import type { RecordFormat } from '../record/record-codec.ts'
import type { RecordBlock } from '../record/tri-records.ts'
import { checkDays } from './archives.ts'
import { BlockPrinter } from './block-printer.ts'
import type { CatFlags } from './commands/cat.ts'
import { FailedError, UsageError } from './exit-code.ts'
import { placeOf } from './flags.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { standardOutput } from './output.ts'
import { counted, Progress } from './progress.ts'
import { preferSmallHeap } from './small-heap.ts'
import { requiredStoreFrom } from './store-place.ts'
import { tell } from './tell.ts'

/** Prints the records of a store, of files or of stdin. */
export async function catArchives(files: readonly string[], flags: CatFlags): Promise<void> {
  preferSmallHeap()
  if (flags.stream !== undefined && files.length > 0)
    throw new UsageError('files and --stream both say what to print: choose one')
  checkDays(flags)
  const stopLog = logDiagnostics(flags.verbose)
  const output = standardOutput()
  // On one terminal the two would write over one another.
  const progress = process.stdout.isTTY ? undefined : new Progress('printed')
  const cut = cutFrom(flags)
  let damageCount = 0
  let printer: { format: RecordFormat; blocks: BlockPrinter } | undefined
  const onLost = (failure: FormatError) => {
    damageCount += 1
    tell(`triton: ${failure.message}`)
  }
  const blocks = flags.stream === undefined ? blocksOfFiles() : blocksOfStore(flags.stream)
  try {
    for await (const { block, file, format } of blocks) {
      const chosen = cut && chooseRecords(block, file, cut, (record) => archiveDecode(format).toData(record).data)
      const { text, count, failure } = printerOf(format).print(block, file, chosen, flags.salvage ? onLost : undefined)
      progress?.add(count, block.bytes.length)
      if (text.length > 0) await output.writeBytes(text)
      if (failure === undefined) continue
      await output.settle()
      throw failure
    }
    await output.settle()
  } finally {
    progress?.stop()
    stopLog()
  }
  if (damageCount > 0) {
    tell(`triton: ${counted(damageCount, 'damaged place')} ${damageCount === 1 ? 'was' : 'were'} passed over`)
    throw new FailedError()
  }

  function printerOf(format: RecordFormat): BlockPrinter {
    if (printer?.format !== format) printer = { format, blocks: new BlockPrinter(format, flags.format) }
    return printer.blocks
  }

  async function* blocksOfFiles(): AsyncGenerator<PrintableBlock> {
    for (const file of files.length > 0 ? files : [undefined]) {
      if (file === undefined && process.stdin.isTTY)
        throw new UsageError('say what to print: --stream with --start-date, a file, or a .tri on stdin')
      const pieces = file === undefined ? process.stdin : createReadStream(file, { highWaterMark: 256 * 1024 })
      try {
        for await (const part of readReported(pieces, file ?? 'stdin', flags.salvage ?? false)) {
          if (part.type === 'damage') damageCount += 1
          if (part.type === 'records') yield { block: part, file: file ?? 'stdin', format: 'msgpack' }
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
    const format = 'format' in definition ? (definition.format as RecordFormat) : 'msgpack'
    await using store = requiredStoreFrom(flags)
    const archives = await findArchives(store, definition.name, startDate, endDate, {
      ...(clientName !== undefined && { client: clientName }),
    })
    const reading = readArchives(store, cut ? await withinTimes(store, archives, cut) : archives, {
      salvage: flags.salvage ?? false,
      onDamage: () => {
        damageCount += 1
      },
    })
    for await (const some of reading) for (const block of some) yield { block, file: block.archive.key, format }
  }
}

interface PrintableBlock {
  block: RecordBlock
  file: string
  format: RecordFormat
}

function cutFrom({ fromTime, toTime, where }: CatFlags): RecordCut | undefined {
  if (fromTime === undefined && toTime === undefined && where === undefined) return undefined
  if (fromTime !== undefined && toTime !== undefined && toTime <= fromTime)
    throw new UsageError('--to-time is not behind --from-time')
  return {
    ...(fromTime && { fromMs: fromTime.getTime() }),
    ...(toTime && { toMs: toTime.getTime() }),
    ...(where && { where }),
  }
}

/** Whole archives that the times leave out are not read. */
async function withinTimes(
  store: ArchiveStore,
  archives: readonly ChosenArchive[],
  { fromMs, toMs }: RecordCut,
): Promise<ChosenArchive[]> {
  const within: ChosenArchive[] = []
  for (const archive of archives) {
    const footer = fromMs === undefined && toMs === undefined ? undefined : await readFooter(store, archive)
    if (footer !== undefined && fromMs !== undefined && footer.lastArrivedMs < fromMs) continue
    if (footer !== undefined && toMs !== undefined && footer.firstArrivedMs >= toMs) continue
    within.push(archive)
  }
  return within
}
