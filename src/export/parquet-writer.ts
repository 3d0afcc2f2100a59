import { rename, rm } from 'node:fs/promises'
import { fileWriter, ParquetWriter } from 'hyparquet-writer'
import type { Cell, Column, ColumnType } from './infer-columns.ts'
import type { TableWriter } from './table-writer.ts'

/** Writes a Parquet file in groups of rows: no more than one is in memory. */
export class ParquetTable implements TableWriter {
  readonly #file: string
  readonly #columns: readonly Column[]
  readonly #writer: ParquetWriter
  #cells: Cell[][]
  #rowCount = 0

  constructor(file: string, columns: readonly Column[]) {
    this.#file = file
    this.#columns = columns
    this.#writer = new ParquetWriter({
      writer: fileWriter(`${file}.partial`),
      schema: schemaOf(columns),
      createdBy: 'triton',
    })
    this.#cells = columns.map(() => [])
  }

  add(row: readonly Cell[]): Promise<void> | undefined {
    for (let i = 0; i < row.length; i++) this.#cells[i]?.push(row[i] as Cell)
    this.#rowCount += 1
    return this.#rowCount < rowsOfGroup ? undefined : this.#writeGroup()
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
