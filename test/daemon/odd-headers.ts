import fc from 'fast-check'
import { goldenFrames } from './golden-frames.ts'

const goldens = [...goldenFrames('py'), ...goldenFrames('go')].map(({ header }) => header)

const mutated = fc
  .tuple(
    fc.constantFrom(...goldens),
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom('set', 'cut', 'insert', 'drop')), {
      maxLength: 4,
    }),
  )
  .map(([header, changes]) => changes.reduce(mutate, header))

const random = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.uint8Array({ minLength: 128, maxLength: 128 }).map((bytes) => Buffer.concat([Buffer.of(4), bytes])),
  fc.json({ maxDepth: 3 }).map((text) => Buffer.from(`{"stream_name":"s","partition_key":${text}}`)),
)

/** Headers of the older clients with some bytes changed, and random ones. */
export const oddHeader = fc.oneof({ weight: 3, arbitrary: mutated }, { weight: 1, arbitrary: random })

function mutate(header: Buffer, [place, byte, how]: [number, number, string]): Buffer {
  const at = header.length === 0 ? 0 : place % header.length
  if (how === 'cut') return header.subarray(0, at)
  const before = header.subarray(0, at)
  return Buffer.concat([
    before,
    ...(how === 'drop' ? [] : [Buffer.of(byte)]),
    header.subarray(how === 'insert' ? at : at + 1),
  ])
}
