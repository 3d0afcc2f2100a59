import { once } from 'node:events'
import { createWriteStream, existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { findArchives, readArchives } from '../archive/read-archives.ts'
import { streamFromStore } from '../archive/stream-from-store.ts'
import { StorageError } from '../errors.ts'
import { csvHead, csvLine } from '../export/csv-writer.ts'
import { exportTable } from '../export/export-table.ts'
import type { Column } from '../export/infer-columns.ts'
import type { TableWriter } from '../export/table-writer.ts'
import type { RecordFormat } from '../record/record-codec.ts'
import { checkDays } from './archives.ts'
import { BlockPrinter } from './block-printer.ts'
import type { ExportFlags } from './commands/export.ts'
import { UsageError } from './exit-code.ts'
import { placeOf } from './flags.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { counted, Progress } from './progress.ts'
import { preferSmallHeap } from './small-heap.ts'
import { requiredStoreFrom } from './store-place.ts'
import { tell } from './tell.ts'

/** Writes archived records into a file that people's tools read. */
export async function exportRecords(file: string, flags: ExportFlags, given?: 'sqlite'): Promise<void> {
  preferSmallHeap()
  const { stream, startDate, endDate, config } = flags
  checkDays(flags)
  const format = given ?? flags.format ?? formatOf(file)
  if (format === undefined)
    throw new UsageError(`"${file}" ends in none of .jsonl, .csv and .parquet: say which with --format`)
  if (existsSync(file)) throw new StorageError(`${file} is there already: remove it first, or write to another`)
  if (!existsSync(dirname(resolve(file)))) throw new StorageError(`can't write ${file}: its directory does not exist`)
  const definition = placeOf(stream, { verbose: 0, ...(config !== undefined && { config }) })
  const recordFormat = 'format' in definition ? (definition.format as RecordFormat) : 'msgpack'
  const stopLog = logDiagnostics(flags.verbose)
  const progress = new Progress('read')
  const client = flags.clientName || process.env['TRITON_CLIENT'] || undefined
  const options = client === undefined ? {} : { client }
  const source = { name: definition.name, format: recordFormat }
  try {
    await using store = requiredStoreFrom(flags)
    const read = async function* () {
      const records = streamFromStore(store, source, startDate, endDate ?? startDate, options)
      for await (const batch of records.batches()) yield batch.map(({ data }) => data)
    }
    const onRecords = (count: number) => progress.add(count, 0)
    let recordCount: number
    if (format === 'jsonl') {
      const archives = await findArchives(store, source.name, startDate, endDate, options)
      recordCount = await writeLines(file, recordFormat, readArchives(store, archives), onRecords)
    } else {
      const opened = await openerOf(format, file, definition.name)
      recordCount = (await exportTable(read, opened, onRecords)).recordCount
    }
    progress.stop()
    tell(`triton: wrote ${counted(recordCount, 'record')} to ${file}`)
  } finally {
    progress.stop()
    stopLog()
  }
}

function formatOf(file: string): ExportFlags['format'] | undefined {
  const ending = /\.(jsonl|csv|parquet)$/.exec(file)?.[1]
  return ending as ExportFlags['format'] | undefined
}

async function openerOf(
  format: 'csv' | 'parquet' | 'sqlite',
  file: string,
  table: string,
): Promise<(columns: readonly Column[]) => TableWriter> {
  if (format === 'parquet') {
    const { ParquetTable } = await import('../export/parquet-writer.ts')
    return (columns) => new ParquetTable(file, columns)
  }
  if (format === 'sqlite') {
    const { SqliteTable } = await import('../export/sqlite-writer.ts')
    return (columns) => new SqliteTable(file, table, columns)
  }
  return (columns) => {
    const lines = new LineFile(file)
    void lines.write(csvHead(columns))
    return { add: (row) => lines.write(csvLine(row)), finish: () => lines.finish(), abort: () => lines.abort() }
  }
}

async function writeLines(
  file: string,
  format: RecordFormat,
  reading: ReturnType<typeof readArchives>,
  onRecords: (count: number) => void,
): Promise<number> {
  const lines = new LineFile(file)
  const printer = new BlockPrinter(format, 'json')
  let recordCount = 0
  try {
    for await (const blocks of reading) {
      for (const block of blocks) {
        const { text, count, failure } = printer.print(block, block.archive.key)
        await lines.write(text)
        if (failure) throw failure
        recordCount += count
        onRecords(count)
      }
    }
    await lines.finish()
    return recordCount
  } catch (error) {
    await lines.abort()
    throw error
  }
}

/** A file of text that has its name when it is finished. */
class LineFile {
  readonly #file: string
  readonly #stream: ReturnType<typeof createWriteStream>
  #failure: Error | undefined

  constructor(file: string) {
    this.#file = file
    this.#stream = createWriteStream(`${file}.partial`)
    this.#stream.on('error', (error) => {
      this.#failure ??= new StorageError(`can't write ${file}: ${error.message}`, { cause: error })
    })
  }

  write(text: string | Buffer): Promise<void> | undefined {
    if (this.#failure) throw this.#failure
    if (this.#stream.write(text)) return undefined
    return once(this.#stream, 'drain').then(
      () => undefined,
      () => {
        throw this.#failure ?? new StorageError(`can't write ${this.#file}`)
      },
    )
  }

  async finish(): Promise<void> {
    this.#stream.end()
    if (!this.#stream.closed) await once(this.#stream, 'close').catch(() => undefined)
    if (this.#failure) throw this.#failure
    await rename(`${this.#file}.partial`, this.#file)
  }

  async abort(): Promise<void> {
    this.#stream.destroy()
    await rm(`${this.#file}.partial`, { force: true })
  }
}
