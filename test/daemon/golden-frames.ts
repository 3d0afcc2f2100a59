import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One message that an older client sent, and what it says. */
export interface GoldenFrame {
  client: 'py' | 'go'
  name: string
  header: Buffer
  body: Buffer
  expected: {
    streamName: string
    /** As bytes: a key may have been cut inside a character. */
    partitionKey: Buffer
    isUtf8: boolean
  }
  /** The body in lossless JSON. */
  bodyText: string
}

interface Line {
  case: string
  not_sent?: string
  header_offset: number
  header_length: number
  body_offset: number
  body_length: number
  header: { stream_name: Text; partition_key: Text }
}

type Text = string | { $bytes: string }

export function goldenFrames(client: 'py' | 'go'): GoldenFrame[] {
  const directory = join(import.meta.dirname, '../golden/frames')
  const bytes = readFileSync(join(directory, `${client}-client.frames.bin`))
  const lines = readFileSync(join(directory, `${client}-client.expected.jsonl`), 'utf8')
    .trim()
    .split('\n')
  return lines.flatMap((text) => {
    const line = JSON.parse(text) as Line
    if (line.not_sent !== undefined) return []
    const partitionKey = bytesOf(line.header.partition_key)
    return [
      {
        client,
        name: line.case,
        header: bytes.subarray(line.header_offset, line.header_offset + line.header_length),
        body: bytes.subarray(line.body_offset, line.body_offset + line.body_length),
        expected: {
          streamName: bytesOf(line.header.stream_name).toString(),
          partitionKey,
          isUtf8: isUtf8(partitionKey),
        },
        bodyText: /"body":(.*)\}$/.exec(text)?.[1] ?? '',
      },
    ]
  })
}

function bytesOf(text: Text): Buffer {
  return typeof text === 'string' ? Buffer.from(text) : Buffer.from(text.$bytes, 'base64')
}
