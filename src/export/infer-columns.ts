import { ConfigError } from '../errors.ts'
import { encodeMsgpack } from '../record/msgpack-encode.ts'
import { isGoTime, MsgpackExt } from '../record/msgpack-ext.ts'
import { plainJsonOf } from '../record/plain-json.ts'

/** What a column holds: the narrowest of these that all of its values fit, `text` when nothing else does. */
export type ColumnType = 'boolean' | 'integer' | 'float' | 'text' | 'bytes' | 'json'

export interface Column {
  name: string
  type: ColumnType
}

/** A value in a column; integers as bigint, so that no digit is lost. */
export type Cell = boolean | bigint | number | string | Uint8Array | null

/** Learns the columns of a table from records, in the order in which their names first came. */
export class ColumnInference {
  readonly #kinds = new Map<string, Set<ColumnType>>()

  add(record: unknown): void {
    for (const [name, value] of fieldsOf(record)) {
      let kinds = this.#kinds.get(name)
      if (kinds === undefined) {
        if (this.#kinds.size >= mostColumns)
          throw new ConfigError(
            `the records have more than ${mostColumns} different fields, such as "${name}": that is no table. JSON lines hold them (--format jsonl)`,
          )
        kinds = new Set()
        this.#kinds.set(name, kinds)
      }
      const kind = kindOf(value)
      if (kind !== undefined) kinds.add(kind)
    }
  }

  columns(): Column[] {
    return Array.from(this.#kinds, ([name, kinds]) => ({ name, type: typeOf(kinds) }))
  }
}

/** The fields of a record, by name; what is no object with text keys is one field, `value`. */
export function fieldsOf(record: unknown): [name: string, value: unknown][] {
  const isPlain = typeof record === 'object' && record !== null && Object.getPrototypeOf(record) === Object.prototype
  return isPlain ? Object.entries(record) : [['value', record]]
}

export function cellOf(value: unknown, type: ColumnType): Cell {
  if (value === undefined || value === null) return null
  switch (type) {
    case 'boolean':
      return value as boolean
    case 'integer':
      return BigInt(value as number | bigint)
    case 'float':
      return Number(value)
    case 'bytes':
      return value as Uint8Array
    case 'json':
      return jsonText(value)
    case 'text':
      return typeof value === 'string'
        ? value
        : isTime(value)
          ? (JSON.parse(jsonText(value)) as string)
          : jsonText(value)
  }
}

function kindOf(value: unknown): ColumnType | undefined {
  switch (typeof value) {
    case 'boolean':
      return 'boolean'
    case 'number':
      return Number.isInteger(value) && Number.isSafeInteger(value) ? 'integer' : 'float'
    case 'bigint':
      return value >= -(2n ** 63n) && value < 2n ** 63n ? 'integer' : 'text'
    case 'string':
      return 'text'
    default:
      if (value === null || value === undefined) return undefined
      return value instanceof Uint8Array ? 'bytes' : isTime(value) ? 'text' : 'json'
  }
}

/** A time of go-triton's: text in ISO 8601, as "triton cat" prints it. */
function isTime(value: unknown): boolean {
  return value instanceof MsgpackExt && isGoTime(value.type, value.data.length)
}

function typeOf(kinds: ReadonlySet<ColumnType>): ColumnType {
  const [only, ...others] = kinds
  if (only === undefined) return 'text'
  if (others.length === 0) return only
  return [...kinds].every((kind) => kind === 'integer' || kind === 'float') ? 'float' : 'text'
}

function jsonText(value: unknown): string {
  return plainJsonOf(encodeMsgpack(value, { allowNonFinite: true }))
}

/** SQLite's default limit, and far beyond what anybody looks at. */
const mostColumns = 2_000
