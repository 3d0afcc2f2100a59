import type { EngineCore } from '../engine-core.ts'
import { partitionKey } from '../shapes/members.ts'

/** The key of a record, which only streams that distribute records themselves can do without. */
export const neededKey = { ...partitionKey, requiredUnless: () => false } as const

/** Whether the stream that an input names, checked or not, sends records to its shards in turn. */
export function distributesItself(core: EngineCore, input: object): boolean {
  const { StreamName, StreamARN } = input as { StreamName?: string; StreamARN?: string }
  const name = StreamName ?? StreamARN?.slice(StreamARN.indexOf('/') + 1)
  return name !== undefined && core.streams.get(name)?.state.distribution === 'AUTO'
}
