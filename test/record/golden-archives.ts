import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

const directory = join(import.meta.dirname, '../golden/archives')

export interface GoldenArchive {
  name: string
  bytes: Buffer
  /** A record a line, in lossless JSON. */
  expected: string[]
}

/** What the two older programs wrote, and what is in it. */
export function goldenArchives(): GoldenArchive[] {
  const names = readdirSync(directory)
    .filter((file) => /\.tri(\.gz)?$/.test(file))
    .map((file) => file.replace(/\.gz$/, ''))
  return names.map((name) => ({
    name,
    bytes: contentOf(name),
    expected: contentOf(`${name}.expected.jsonl`)
      .toString()
      .split('\n')
      .filter((line) => line !== ''),
  }))
}

function contentOf(file: string): Buffer {
  const path = join(directory, file)
  return existsSync(path) ? readFileSync(path) : gunzipSync(readFileSync(`${path}.gz`))
}

/** As a stream gives them. */
export async function* piecesOf(bytes: Uint8Array, pieceBytes = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}
