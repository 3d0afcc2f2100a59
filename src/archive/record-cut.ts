import { ConfigError, FormatError } from '../errors.ts'
import type { RecordBlock } from '../record/tri-records.ts'

/** Which records of archives are wanted, by when they arrived and by what their fields say. */
export interface RecordCut {
  /** Epoch milliseconds; what arrived then or later. */
  fromMs?: number
  /** What arrived earlier than this. */
  toMs?: number
  /** All of these hold. */
  where?: readonly FieldTest[]
}

/** A field, or one inside of it by dots (`customer.name`), and the text of its value. */
export interface FieldTest {
  path: readonly string[]
  text: string
}

/**
 * Whether each record of the block is wanted. Throws a ConfigError when times are asked for and nobody wrote them down,
 * as in archives of the older programs. A record that does not decode has no fields.
 */
export function chooseRecords(
  block: RecordBlock,
  file: string,
  { fromMs, toMs, where = [] }: RecordCut,
  decode: (record: Buffer) => unknown,
): boolean[] {
  const { bytes, start, ends, positions } = block
  const isTimed = fromMs !== undefined || toMs !== undefined
  if (isTimed && positions === undefined)
    throw new ConfigError(
      `${file} does not say when its records arrived, since an older program wrote it: only whole days can be cut out`,
    )
  const arrivals = isTimed ? positions?.arrivals() : undefined
  let begin = start
  return ends.map((end, index) => {
    const record = bytes.subarray(begin, end)
    begin = end
    const arrivedAtMs = arrivals?.[index] ?? 0
    if (isTimed && !(arrivedAtMs >= (fromMs ?? arrivedAtMs) && arrivedAtMs < (toMs ?? arrivedAtMs + 1))) return false
    return where.length === 0 || holdsAll(record, where, decode)
  })
}

function holdsAll(record: Buffer, where: readonly FieldTest[], decode: (record: Buffer) => unknown): boolean {
  try {
    const data = decode(record)
    return where.every(({ path, text }) => textOf(path.reduce(fieldOf, data)) === text)
  } catch (error) {
    if (error instanceof FormatError) return false
    throw error
  }
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (value === undefined || typeof value === 'object') return value === null ? 'null' : undefined
  return String(value)
}
