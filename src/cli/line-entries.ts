import { isUtf8 } from 'node:buffer'
import { type Clock, systemClock } from '../clock.ts'
import type { StreamDefinition } from '../config.ts'
import { RecordError } from '../errors.ts'
import type { PutEntry } from '../kinesis/kinesis-api.ts'
import { checkPartitionKey, partitionKeyOf, partitionKeyOfBytes } from '../record/partition-key.ts'
import { recordCodec } from '../record/record-codec.ts'
import { UsageError } from './exit-code.ts'
import { jsonForm } from './json-form.ts'
import type { LineFormat } from './record-lines.ts'

export interface LineOptions {
  format: LineFormat
  /** Of all lines, instead of the record's field. */
  partitionKey?: string
  /** @default systemClock */
  clock?: Clock
}

/** A line (with its newline) into what is put; undefined for a blank line of JSON. Throws when it is no record. */
export type LineEncoder = (line: Buffer) => PutEntry | undefined

export function lineEncoder(definition: StreamDefinition, options: LineOptions): LineEncoder {
  const { format, partitionKey } = options
  if (partitionKey !== undefined) checkPartitionKey(partitionKey, '--partition-key')
  return format === 'text' ? textEncoder(definition, options) : jsonEncoder(definition, options)
}

/** The form of the old programs; a stream of text or bytes takes the line itself, without its newline. */
function textEncoder(definition: StreamDefinition, { partitionKey, clock = systemClock }: LineOptions): LineEncoder {
  const { format, partitionKey: field, partitionKeyText, streamName } = definition
  const codec = recordCodec(format)
  const isMap = format === 'msgpack' || format === 'json'
  if (partitionKey === undefined && !(isMap && textFields.has(field))) {
    throw new UsageError(
      `a line of text has no field ${JSON.stringify(field)}, which is the partition key of ${streamName}: ` +
        `give --partition-key for all lines${isMap ? ', or records with --format json' : ''}`,
    )
  }
  return (line) => {
    const data = isMap
      ? { msg: format === 'json' ? line.toString() : textOrBytes(line), ts: clock.now() / 1000 }
      : format === 'text'
        ? withoutNewline(line).toString()
        : withoutNewline(line)
    return { data: codec.encode(data), partitionKey: partitionKey ?? partitionKeyOf(data, field, partitionKeyText) }
  }
}

/** Straight from text to bytes, so that numbers keep every digit and `3.0` its point. */
function jsonEncoder(definition: StreamDefinition, { format, partitionKey }: LineOptions): LineEncoder {
  const { partitionKey: field, partitionKeyText } = definition
  const form = jsonForm(definition.format, format === 'lossless')
  const codec = recordCodec(definition.format)
  return (line) => {
    if (isBlank(line)) return undefined
    if (!isUtf8(line)) throw new RecordError('the line is not UTF-8')
    const data = form.toBytes(line.toString())
    if (partitionKey !== undefined) return { data, partitionKey }
    if (definition.format === 'msgpack')
      return { data, partitionKey: partitionKeyOfBytes(data, field, partitionKeyText) }
    const { data: value, error } = codec.decode(data)
    if (error) throw error
    return { data, partitionKey: partitionKeyOf(value, field, partitionKeyText) }
  }
}

const textFields = new Set(['msg', 'ts'])

/** What is no text stays what it is. */
function textOrBytes(line: Buffer): string | Buffer {
  return isUtf8(line) ? line.toString() : line
}

function withoutNewline(line: Buffer): Buffer {
  return line.at(-1) === newline ? line.subarray(0, -1) : line
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === newline || byte === 0x20 || byte === 0x09 || byte === 0x0d)
}

const newline = 0x0a
