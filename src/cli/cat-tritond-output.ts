import { createReadStream } from 'node:fs'
import { readOutput } from '../daemon/read-output.ts'
import { FormatError, StorageError } from '../errors.ts'
import { losslessJsonOf } from '../record/lossless-json.ts'
import { plainJsonOf } from '../record/plain-json.ts'
import { standardOutput } from './output.ts'

export interface CatTritondOutputFlags {
  tritondOutput: string
  /** Prints only the records of this one, and of them only the data. */
  stream?: string
  format: 'json' | 'lossless'
}

/** Prints the records of a file that `tritond --skip-kinesis` wrote, one JSON object a line. */
export async function catTritondOutput({ tritondOutput, stream, format }: CatTritondOutputFlags): Promise<void> {
  const output = standardOutput()
  const jsonOf = format === 'lossless' ? losslessJsonOf : plainJsonOf
  const file = tritondOutput === '-' ? 'stdin' : tritondOutput
  const pieces = tritondOutput === '-' ? process.stdin : createReadStream(tritondOutput)
  try {
    for await (const { stream: name, body } of readOutput(pieces)) {
      if (stream !== undefined && stream !== name) continue
      const data = jsonOf(body)
      await output.write(stream === undefined ? `{"stream":${JSON.stringify(name)},"data":${data}}\n` : `${data}\n`)
    }
  } catch (cause) {
    if (cause instanceof FormatError) throw new FormatError(`${file}: ${cause.message}`, cause.offset, { cause })
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause
    throw new StorageError(`can't read ${file}: ${cause.message}`, { cause })
  } finally {
    await output.settle()
  }
}
