import { type Cell, type Column, ColumnInference, cellOf, fieldsOf } from './infer-columns.ts'
import type { TableWriter } from './table-writer.ts'

/**
 * Records as a table: they are read once to learn the columns, and once to write them, so that more fits than memory holds.
 * `read` gives them from the beginning each time.
 */
export async function exportTable(
  read: () => AsyncIterable<readonly unknown[]>,
  open: (columns: readonly Column[]) => TableWriter,
  onRecords: (count: number) => void = () => undefined,
): Promise<{ recordCount: number; columns: Column[] }> {
  const inference = new ColumnInference()
  for await (const records of read()) {
    for (const record of records) inference.add(record)
    onRecords(records.length)
  }
  const columns = inference.columns()
  const places = new Map(columns.map(({ name }, index) => [name, index]))
  const writer = open(columns)
  let recordCount = 0
  try {
    for await (const records of read()) {
      for (const record of records) {
        const row = new Array<Cell>(columns.length).fill(null)
        for (const [name, value] of fieldsOf(record)) {
          const place = places.get(name)
          // A field that came to be between the two readings.
          if (place !== undefined) row[place] = cellOf(value, (columns[place] as Column).type)
        }
        const writing = writer.add(row)
        if (writing) await writing
      }
      recordCount += records.length
      onRecords(records.length)
    }
    await writer.finish()
    return { recordCount, columns }
  } catch (error) {
    await writer.abort()
    throw error
  }
}
