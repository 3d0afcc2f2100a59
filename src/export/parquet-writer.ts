import { rename, rm } from 'node:fs/promises'
import { fileWriter, ParquetWriter } from 'hyparquet-writer'
import type { Cell, Column, ColumnType } from './infer-columns.ts'
import type { TableWriter } from './table-writer.ts'

/** Writes a Parquet file in groups of rows, as large as memory bears: no more than one is in it. */
export class ParquetTable implements TableWriter {
  readonly #file: string
  readonly #columns: readonly Column[]
  readonly #writer: ParquetWriter
  #cells: Cell[][]
  #rowCount = 0
  /** About what the group takes in memory. */
  #groupBytes = 0

  constructor(file: string, columns: readonly Column[]) {
    this.#file = file
    // A file without a column is none to its readers.
    this.#columns = columns.length === 0 ? [{ name: 'value', type: 'text' }] : columns
    this.#writer = new ParquetWriter({
      writer: fileWriter(`${file}.partial`),
      schema: schemaOf(this.#columns),
      createdBy: 'triton',
    })
    this.#cells = this.#columns.map(() => [])
  }

  add(row: readonly Cell[]): Promise<void> | undefined {
    for (let i = 0; i < this.#columns.length; i++) {
      const cell = row[i] ?? null
      this.#cells[i]?.push(cell)
      this.#groupBytes += bytesOfCell + (typeof cell === 'string' || cell instanceof Uint8Array ? cell.length : 0)
    }
    this.#rowCount += 1
    const isFull = this.#rowCount >= rowsOfGroup || this.#groupBytes >= bytesOfGroup
    return isFull ? this.#writeGroup() : undefined
  }

  async finish(): Promise<void> {
    if (this.#rowCount > 0) await this.#writeGroup()
    await this.#writer.finish()
    await rename(`${this.#file}.partial`, this.#file)
  }

  async abort(): Promise<void> {
    await rm(`${this.#file}.partial`, { force: true })
  }

  async #writeGroup(): Promise<void> {
    const columnData = this.#columns.map(({ name }, i) => ({ name, data: this.#cells[i] ?? [] }))
    const rowGroupSize = this.#rowCount
    this.#cells = this.#columns.map(() => [])
    this.#rowCount = 0
    this.#groupBytes = 0
    await this.#writer.write({ columnData, rowGroupSize })
  }
}

type SchemaElement = ConstructorParameters<typeof ParquetWriter>[0]['schema'][number]

function schemaOf(columns: readonly Column[]): SchemaElement[] {
  return [
    { name: 'root', num_children: columns.length },
    ...columns.map(({ name, type }): SchemaElement => ({ name, repetition_type: 'OPTIONAL', ...parquetTypes[type] })),
  ]
}

const parquetTypes: Record<ColumnType, Pick<SchemaElement, 'type' | 'converted_type'>> = {
  boolean: { type: 'BOOLEAN' },
  integer: { type: 'INT64' },
  float: { type: 'DOUBLE' },
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  json: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  bytes: { type: 'BYTE_ARRAY' },
}

const rowsOfGroup = 50_000
const bytesOfGroup = 64 * 1024 * 1024
/** A place in an array, and what stands there. */
const bytesOfCell = 16
