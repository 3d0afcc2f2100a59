import { limitExceeded, resourceInUse } from '../api-error.ts'
import {
  maxRecordSizeInKib,
  recordDistribution,
  required,
  shardCount,
  streamModeDetails,
  streamName,
  tags,
  warmThroughputMiBps,
} from '../shapes/members.ts'
import type { InputOf } from '../shapes/shape.ts'
import type { StreamSettings } from '../state/stream-state.ts'
import { addTags } from './change-tags.ts'
import { checkOnDemandLimit, checkOnlyOnDemand } from './check-on-demand.ts'
import { checkShardLimit } from './check-shard-limit.ts'
import { operation } from './operation.ts'

/** Streams that may be in CREATING at a time (AWS: CreateStream). */
const mostCreating = 5

/** The create time lies a little in the past, as real ones do: before the first record's time in any case. */
const createdBeforeNowMs = 2_000

const defaultRetentionHours = 24

/** Shards that an on-demand stream starts with (AWS: CreateStream). */
const onDemandShardCount = 4

const createStreamInput = {
  type: 'Structure',
  members: {
    ShardCount: {
      ...shardCount,
      requiredUnless: (siblings: ReadonlyMap<string, unknown>) => isOnDemand(siblings.get('StreamModeDetails')),
      legacy: { required: true },
    },
    StreamName: required(streamName),
    StreamModeDetails: streamModeDetails,
    Tags: tags,
    WarmThroughputMiBps: warmThroughputMiBps,
    MaxRecordSizeInKiB: maxRecordSizeInKib,
    RecordDistributionStrategy: recordDistribution,
  },
} as const

export const createStream = operation({
  input: createStreamInput,
  run(core, input) {
    const { StreamName: name } = input
    const settings = settingsOf(input)
    // The shape saw to it that a count is given where one is needed.
    const shardCount = settings.mode === 'ON_DEMAND' ? onDemandShardCount : (input.ShardCount as number)
    const { streams, clock, account } = core
    if (streams.get(name) !== undefined) throw resourceInUse(`Stream ${name} under account ${account} already exists.`)
    checkOnlyOnDemand(settings)
    const given = input.Tags === undefined ? undefined : addTags(core, name, undefined, input.Tags)
    if (settings.mode === 'ON_DEMAND') checkOnDemandLimit(core)
    checkShardLimit(core, shardCount)
    const creating = [...streams.all()].filter((stream) => stream.state.status === 'CREATING').length
    if (creating >= mostCreating)
      throw limitExceeded(`No more than ${mostCreating} streams may be in state CREATING under account ${account}.`)
    const nowMs = clock.now()
    streams.create((serial, earliestCreatedSeconds) => ({
      serial,
      name,
      status: 'CREATING',
      ...settings,
      createdSeconds: Math.max(Math.floor((nowMs - createdBeforeNowMs) / 1000), earliestCreatedSeconds),
      retentionHours: defaultRetentionHours,
      shards: [],
      nextShardIndex: 0,
      ...(given && { tags: given }),
      pending: { kind: 'open', shardCount, dueMs: nowMs + core.createStreamMs },
    }))
    return undefined
  },
})

function settingsOf(input: InputOf<typeof createStreamInput>): StreamSettings {
  const { MaxRecordSizeInKiB, WarmThroughputMiBps, RecordDistributionStrategy } = input
  return {
    mode: input.StreamModeDetails?.StreamMode ?? 'PROVISIONED',
    ...(MaxRecordSizeInKiB !== undefined && { maxRecordKiB: MaxRecordSizeInKiB }),
    ...(WarmThroughputMiBps !== undefined && { warmThroughputMiBps: WarmThroughputMiBps }),
    ...(RecordDistributionStrategy !== undefined && { distribution: RecordDistributionStrategy }),
  }
}

function isOnDemand(details: unknown): boolean {
  return (
    typeof details === 'object' && details !== null && 'StreamMode' in details && details.StreamMode === 'ON_DEMAND'
  )
}
