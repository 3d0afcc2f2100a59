import { inspect } from 'node:util'
import type { Decode, StreamRecord } from '../consumer/stream-record.ts'
import { type RecordFormat, recordCodec } from '../record/record-codec.ts'
import { jsonForm } from './json-form.ts'

export type LineFormat = 'text' | 'json' | 'lossless'

/** How records become what is printed: straight from their bytes where that can be. */
export interface RecordLines {
  decode: Decode<string>
  /** With its newline; empty for a record that has no line, because it does not decode. */
  print(record: StreamRecord<string>): string
}

export function recordLines(format: RecordFormat, lineFormat: LineFormat, withMeta: boolean): RecordLines {
  if (lineFormat === 'text') {
    const codec = recordCodec(format)
    return {
      decode: (bytes) => {
        const { data, error } = codec.decode(bytes)
        return error ? { error } : { data: inspect(data, prettyForm) }
      },
      print: printText,
    }
  }
  const decode = jsonForm(format, lineFormat === 'lossless').toLine
  return { decode, print: withMeta ? printWithMeta : printLine }
}

const prettyForm = {
  depth: null,
  maxArrayLength: null,
  maxStringLength: null,
  breakLength: 80,
} as const

/** The form of the old programs. */
function printText({ shardId, sequenceNumber, data, error, bytes }: StreamRecord<string>): string {
  const body = error ? `(does not decode: ${error.message}) ${base64(bytes)}` : data
  return `<Record ${shardId} ${sequenceNumber}>\n${body}\n\n`
}

function printLine({ data, error }: StreamRecord<string>): string {
  return error ? '' : `${data}\n`
}

function printWithMeta(record: StreamRecord<string>): string {
  const { shardId, sequenceNumber, subSequenceNumber, partitionKey, arrivedAt } = record
  const facts = JSON.stringify({ shardId, sequenceNumber, subSequenceNumber, partitionKey, arrivedAt })
  const content = record.error
    ? `"error":${JSON.stringify(record.error.message)},"bytes":"${base64(record.bytes)}"`
    : `"data":${record.data}`
  return `${facts.slice(0, -1)},${content}}\n`
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
