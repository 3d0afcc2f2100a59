import { limitExceeded } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import { required, shardCount, streamReference } from '../shapes/members.ts'
import { resharding } from '../state/pending-change.ts'
import { planShardCount } from '../state/reshard.ts'
import { openShards } from '../state/stream-state.ts'
import { arnOf, checkProvisioned, findActiveStream } from './find-stream.ts'
import { operation } from './operation.ts'

export const updateShardCount = operation({
  input: {
    type: 'Structure',
    members: {
      ...streamReference,
      TargetShardCount: required(shardCount),
      ScalingType: { type: 'String', required: true, values: ['UNIFORM_SCALING'] },
    },
  },
  run(core, input) {
    const stream = findActiveStream(core, input)
    checkProvisioned(core, stream)
    const open = openShards(stream.state)
    const targetCount = input.TargetShardCount
    checkTarget(core, open.length, targetCount)
    if (targetCount !== open.length) {
      core.throttles?.countChange('UpdateShardCount', stream.state.name)
      const steps = planShardCount(open, targetCount, stream.state.nextShardIndex)
      core.streams.change(stream, resharding(stream.state, steps, core.clock.now() + core.updateStreamMs))
    }
    return {
      StreamName: stream.state.name,
      StreamARN: arnOf(core, stream.state.name),
      CurrentShardCount: open.length,
      TargetShardCount: targetCount,
    }
  },
})

function checkTarget(core: EngineCore, current: number, target: number): void {
  const counts = `Current open shard count: ${current}, Target shard count: ${target}`
  if (target > current * 2)
    throw limitExceeded(`UpdateShardCount cannot scale up over double your current open shard count. ${counts}`)
  if (target < Math.ceil(current / 2))
    throw limitExceeded(`UpdateShardCount cannot scale down below half your current open shard count. ${counts}`)
  if (core.streams.openShardCount - current + target > core.shardLimit)
    throw limitExceeded(
      `Target shard count or number of open shards cannot be greater than ${core.shardLimit}. ${counts}`,
    )
}
