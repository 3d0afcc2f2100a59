import { isUtf8 } from 'node:buffer'
import { FormatError } from '../errors.ts'
import { decodeMsgpack } from '../record/msgpack-decode.ts'
import { encodeMsgpack } from '../record/msgpack-encode.ts'

/**
 * A record of a stream that does not hold msgpack, as archives hold it: a map of one key, `$raw`, and as its value text
 * when the bytes are UTF-8, else bytes.
 */
export function rawRecord(bytes: Uint8Array): Uint8Array {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return encodeMsgpack({ $raw: isUtf8(raw) ? raw.toString() : raw })
}

/** A record that is no msgpack map, as side objects hold it, `before` so many records of the archive came. */
export function sideRecord(bytes: Uint8Array, before: number): Uint8Array {
  return encodeMsgpack({ $raw: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), before })
}

/** The bytes that the record was put as. */
export function bytesOfRawRecord(record: Uint8Array): Uint8Array {
  const map = decodeMsgpack(record)
  const raw = map !== null && typeof map === 'object' && '$raw' in map ? map.$raw : undefined
  if (typeof raw === 'string') return Buffer.from(raw)
  if (raw instanceof Uint8Array) return raw
  throw new FormatError('the record is no map with $raw, as archives of streams without msgpack hold them', 0)
}
