/**
 * CBOR (RFC 8949) as the Kinesis API uses it: unsigned and negative integers, byte and text strings, arrays, maps,
 * floats, true, false, null, and tags, which carry no meaning here but for timestamps. Definite and indefinite lengths
 * are read; definite ones are written.
 *
 * An item is a head and what follows it. The head's first byte holds the kind (its high 3 bits) and either the argument
 * itself (0..23) or the size of the argument that follows: 24 -> 1 byte, 25 -> 2, 26 -> 4, 27 -> 8, 31 -> indefinite.
 */
export const unsignedKind = 0
export const negativeKind = 1
export const bytesKind = 2
export const textKind = 3
export const arrayKind = 4
export const mapKind = 5
export const tagKind = 6

export const falseByte = 0xf4
export const trueByte = 0xf5
export const nullByte = 0xf6
export const undefinedByte = 0xf7
export const float16Byte = 0xf9
export const float32Byte = 0xfa
export const float64Byte = 0xfb
export const breakByte = 0xff
