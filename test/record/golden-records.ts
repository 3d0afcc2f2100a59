import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/** A record that an older program wrote, and the truth about it. */
export interface GoldenRecord {
  name: string
  bytes: Buffer
  /** Lossless JSON, exactly as the truth file has it. */
  lossless: string
  /** What py-triton computed from the field `id`. */
  partitionKey: string | undefined
}

const directory = new URL('../golden/records/', import.meta.url)

export function goldenRecords(): GoldenRecord[] {
  return ['py', 'go'].flatMap((writer) => {
    const all = readFileSync(new URL(`${writer}-records.msgpack`, directory))
    const lines = gunzipSync(readFileSync(new URL(`${writer}-records.expected.jsonl.gz`, directory))).toString()
    return lines
      .trimEnd()
      .split('\n')
      .map((line) => {
        const truth = JSON.parse(line) as GoldenLine
        return {
          name: `${writer}: ${truth.case}${truth.by === undefined ? '' : `, by ${truth.by}`}`,
          bytes: all.subarray(truth.offset, truth.offset + truth.length),
          lossless: line.slice(line.indexOf('"value":') + '"value":'.length, -1),
          partitionKey: truth.partition_key,
        }
      })
  })
}

interface GoldenLine {
  case: string
  by?: string
  offset: number
  length: number
  partition_key?: string
}
