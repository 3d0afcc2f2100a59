import { invalidArgument } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import { required, streamReference } from '../shapes/members.ts'
import { withRetention } from '../state/stream-state.ts'
import { findStream, type StreamReference } from './find-stream.ts'

/** AWS: IncreaseStreamRetentionPeriod. */
const leastHours = 24
const mostHours = 8_760

export const retentionInput = {
  type: 'Structure',
  members: {
    ...streamReference,
    RetentionPeriodHours: required({ type: 'Integer', min: 1, legacy: { max: 168 } } as const),
  },
} as const

/** At once, in whatever state the stream is. The retention that it has already is right in both directions. */
export function changeRetention(
  core: EngineCore,
  input: StreamReference & { readonly RetentionPeriodHours: number },
  direction: 'Increase' | 'Decrease',
): undefined {
  const stream = findStream(core, input)
  const { name, retentionHours: present } = stream.state
  const { RetentionPeriodHours: hours } = input
  const requested = `Requested retention period (${hours} hours)`
  if (hours < leastHours)
    throw invalidArgument(`Minimum allowed retention period is ${leastHours} hours. ${requested} is too short.`)
  if (hours > mostHours)
    throw invalidArgument(`Maximum allowed retention period is ${mostHours} hours. ${requested} is too long.`)
  if (direction === 'Increase' && hours < present)
    throw invalidArgument(
      `${requested} for stream ${name} can not be shorter than existing retention period (${present} hours). Use DecreaseRetentionPeriod API.`,
    )
  if (direction === 'Decrease' && hours > present)
    throw invalidArgument(
      `${requested} for stream ${name} can not be longer than existing retention period (${present} hours). Use IncreaseRetentionPeriod API.`,
    )
  if (hours !== present) core.streams.change(stream, withRetention(stream.state, hours, core.clock.now()))
}
