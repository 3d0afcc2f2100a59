import { InvalidArgumentError } from 'commander'
import { shardIdOf, shardIndexOf } from '../kinesis/shard.ts'
import { systemRandom } from '../random.ts'
import { clientFrom } from './checkpoints.ts'
import { UsageError } from './exit-code.ts'
import { type CheckpointFlags, type PlaceFlags, placeOf } from './flags.ts'

/** Flags of every command that looks after a group of workers. */
export interface GroupFlags extends CheckpointFlags, PlaceFlags {
  stream: string
}

/** Which group is meant. */
export function groupFrom(flags: GroupFlags): { client: string; stream: string } {
  const client = clientFrom(flags)
  if (!client) throw new UsageError('which group? Give --client-name, or set TRITON_CLIENT_NAME')
  return { client, stream: placeOf(flags.stream, flags).name }
}

/** A shard as people name it: by its id, or the number that it ends in. */
export function shardArgument(text: string): string {
  if (/^\d{1,10}$/.test(text)) return shardIdOf(Number(text))
  if (shardIndexOf(text) !== undefined) return text
  throw new InvalidArgumentError('It must be a shard id, or the number that it ends in.')
}

/** Whose shards are for the moment that a person takes from a worker: nobody else's name. */
export function operatorName(): string {
  return `operator/${Math.floor(systemRandom.next() * 0x1_0000_0000).toString(16)}`
}
