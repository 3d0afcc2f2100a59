/**
 * A msgpack extension value: what Triton's own writers never make, and what go-triton writes for times (type 5) and
 * complex numbers (types 3 and 4). It is kept as it came, so that writing it again gives the same bytes.
 */
export class MsgpackExt {
  /** -128..127; negative ones belong to the msgpack specification. */
  readonly type: number
  readonly data: Uint8Array

  constructor(type: number, data: Uint8Array) {
    if (!Number.isInteger(type) || type < -128 || type > 127)
      throw new TypeError(`a msgpack extension type is an integer in -128..127, not ${String(type)}`)
    this.type = type
    this.data = data
  }

  /** Unix seconds of a go-triton time (type 5 of 12 bytes), otherwise undefined. */
  get seconds(): number | bigint | undefined {
    if (!isGoTime(this.type, this.data.length)) return undefined
    return goTimeSeconds(this.data, 0)
  }

  /** Nanoseconds within the second of a go-triton time (type 5 of 12 bytes), otherwise undefined. */
  get nanoseconds(): number | undefined {
    if (!isGoTime(this.type, this.data.length)) return undefined
    return goTimeNanoseconds(this.data, 0)
  }
}

/** tinylib/msgp writes a time as extension type 5: int64 seconds, then 32 bits of nanoseconds, both big-endian. */
export function isGoTime(type: number, byteLength: number): boolean {
  return type === 5 && byteLength === 12
}

export function goTimeSeconds(bytes: Uint8Array, offset: number): number | bigint {
  const seconds = new DataView(bytes.buffer, bytes.byteOffset + offset, 8).getBigInt64(0)
  const rounded = Number(seconds)
  return Number.isSafeInteger(rounded) ? rounded : seconds
}

export function goTimeNanoseconds(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + offset + 8, 4).getUint32(0)
}
