/** The CBOR codec; `cbor-heads.ts` tells the format. */
export { type CborMap, CborReader, type CborValue, timestampMs } from './cbor-reader.ts'
export { type CborInput, CborWriter } from './cbor-writer.ts'
