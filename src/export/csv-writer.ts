import type { Cell, Column } from './infer-columns.ts'

/** A line of CSV (RFC 4180): fields with a comma, a quote or a line break in them stand in quotes; nothing is empty, text is not. */
export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(field).join(',')}\r\n`
}

export function csvHead(columns: readonly Column[]): string {
  return csvLine(columns.map(({ name }) => name))
}

function field(cell: Cell): string {
  if (cell === null) return ''
  const text = cell instanceof Uint8Array ? Buffer.from(cell).toString('base64') : String(cell)
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
