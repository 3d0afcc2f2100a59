import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export type Row = Record<string, unknown>

export interface Input {
  /** In the order they'll be put; each carries its line number as `_line`. */
  rows: Row[]
  /** The field that is the partition key. */
  keyField: string
  /** What the rows are, for people. */
  title: string
}

/** 20,000 flights of 2001 (npm's vega-datasets), or a user's own JSON lines. */
export function readInput(path: string | undefined, keyField: string | undefined): Input {
  if (path === undefined) {
    // The package exports only its code; the data lies beside it.
    const dataFile = new URL('../data/flights-20k.json', import.meta.resolve('vega-datasets'))
    const flights: Row[] = JSON.parse(readFileSync(fileURLToPath(dataFile), 'utf8'))
    return { rows: flights.map((row, index) => ({ ...row, _line: index + 1 })), keyField: 'origin', title: 'flights' }
  }
  const rows = readJsonLines(path)
  const key = keyField ?? firstTextField(rows)
  return {
    rows: rows.map((row, index) => withKey(row, key, index + 1)),
    keyField: key,
    title: `${rows.length === 1 ? 'record' : 'records'} of ${path}`,
  }
}

function readJsonLines(path: string): Row[] {
  const lines = readText(path).split('\n')
  const rows: Row[] = []
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue
    rows.push(parseRow(line, `${path}:${index + 1}`))
  }
  if (rows.length === 0) throw new Error(`${path} holds no records; it should hold one JSON object a line`)
  return rows
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`INPUT should name a file of JSON lines: ${error instanceof Error ? error.message : error}`)
  }
}

function parseRow(line: string, place: string): Row {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw new Error(`${place}: ${error instanceof Error ? error.message : error}; each line should be one JSON object`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${place}: each line should be a JSON object, this is ${JSON.stringify(value).slice(0, 40)}`)
  return value as Row
}

function firstTextField(rows: Row[]): string {
  const found = Object.entries(rows[0] ?? {}).find(([, value]) => typeof value === 'string' && value !== '')
  return found?.[0] ?? Object.keys(rows[0] ?? {})[0] ?? '_line'
}

/** A row without a usable key gets its line number as one, so that any file can be shown. */
function withKey(row: Row, keyField: string, line: number): Row {
  const key = row[keyField]
  const isUsable = (typeof key === 'string' && key !== '' && [...key].length <= 256) || typeof key === 'number'
  return { ...row, [keyField]: isUsable ? key : `line ${line}`, _line: line }
}
