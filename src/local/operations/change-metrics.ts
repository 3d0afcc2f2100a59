import type { EngineCore } from '../engine-core.ts'
import { shardLevelMetrics as metrics, required, streamReference } from '../shapes/members.ts'
import type { AnswerObject } from '../wire/encode-answer.ts'
import { arnOf, findStream, type StreamReference } from './find-stream.ts'

export const metricsInput = {
  type: 'Structure',
  members: { ShardLevelMetrics: required(metrics), ...streamReference },
} as const

/** At once, in whatever state the stream is. ALL stands for every name but itself. */
export function changeMetrics(
  core: EngineCore,
  input: StreamReference & { readonly ShardLevelMetrics: readonly string[] },
  direction: 'enable' | 'disable',
): AnswerObject {
  const stream = findStream(core, input)
  const { name, shardMetrics: present = [] } = stream.state
  const named = (metric: string) => input.ShardLevelMetrics.includes(metric) || input.ShardLevelMetrics.includes('ALL')
  const desired = metrics.member.values.filter(
    (metric) =>
      metric !== 'ALL' &&
      (direction === 'enable' ? named(metric) || present.includes(metric) : present.includes(metric) && !named(metric)),
  )
  core.streams.change(stream, { ...stream.state, shardMetrics: desired })
  return {
    StreamName: name,
    StreamARN: arnOf(core, name),
    CurrentShardLevelMetrics: present,
    DesiredShardLevelMetrics: desired,
  }
}
