import type { Cell } from './infer-columns.ts'

/** A table that is filled row by row, in bounded memory. Nothing stands under its name before `finish`. */
export interface TableWriter {
  /** One cell for each column. */
  add(row: readonly Cell[]): Promise<void> | undefined
  finish(): Promise<void>
  /** Nothing of it stays. */
  abort(): Promise<void>
}
